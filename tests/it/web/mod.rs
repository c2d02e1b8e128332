//! The pages: in a real browser, and form by form over HTTP.

mod accessibility;
mod answers;
mod badges;
mod browser;
mod chromedriver;
mod counts;
mod doors;
mod error_codes;
mod event_catalog;
mod exports;
mod forms;
mod hostile_text;
mod incidents;
mod insights;
mod looks;
pub mod people;
mod receiver_links;
pub mod sample;
mod screenshots;
mod sessions;
mod set_up;
mod showroom;
mod sources;
mod stream_page;
mod wall;
mod webhooks;
mod windows;
