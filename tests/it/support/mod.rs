//! What the integration tests share: scripted receivers and their certificates, servers, clients.

pub mod api_client;
pub mod authenticator;
pub mod broken_tls;
pub mod certificates;
pub mod described;
pub mod documented;
pub mod identity_provider;
pub mod judge_server;
pub mod page_client;
pub mod platform;
pub mod programs;
pub mod receiver;
pub mod seed;
pub mod server_process;
pub mod test_app;
