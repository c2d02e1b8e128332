//! Webhooks: the list, one of them, and the form that makes and changes one.

pub mod backlog;
pub mod copies;
mod event_choices;
pub mod facts;
pub mod form;
mod form_secrets;
pub mod import;
pub mod list;
mod marks;
pub mod new;
pub mod options;
mod outage_fields;
pub mod page;
pub mod receiver_links;
pub mod service_picker;
