//! Calls that a simulated platform makes by itself, as a ticket system does when somebody changes a ticket.

use std::sync::Arc;
use std::time::Duration;

use ureq::Agent;
use ureq::tls::{TlsConfig, TlsProvider};

use simulators::Callback;

/// How long a call may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Makes calls one after the other, off the thread that serves. Whoever is called may be gone: that is said and no more.
pub fn make(calls: Vec<Callback>) {
    if calls.is_empty() {
        return;
    }
    tokio::task::spawn_blocking(move || {
        for call in &calls {
            let said = match send(call) {
                Ok(status) => format!("called {}: {status}", call.url),
                Err(error) => format!("called {}: {error}", call.url),
            };
            say(&said);
        }
    });
}

fn send(call: &Callback) -> Result<u16, ureq::Error> {
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .build();
    let agent: Agent = Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .timeout_global(Some(LIMIT))
        .proxy(None)
        .build()
        .new_agent();
    let mut request = agent.post(&call.url);
    for (name, value) in &call.headers {
        request = request.header(name, value);
    }
    Ok(request.send(call.body.as_str())?.status().as_u16())
}

/// Beside the reports, on standard error; a terminal that is gone changes nothing.
fn say(sentence: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{sentence}");
}
