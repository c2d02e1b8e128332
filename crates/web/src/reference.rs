//! The API, its errors, and the help, as pages.

pub mod api_docs;
pub mod documents;
pub mod error_codes;
pub mod openapi;
pub mod openapi_schema;
pub mod try_api;
