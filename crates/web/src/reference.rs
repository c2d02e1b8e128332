//! The API and its errors, as pages.

pub mod api_docs;
pub mod error_codes;
pub mod openapi;
pub mod openapi_schema;
