//! ServiceNow, simulated: one instance with the tables of the base system that matter to incidents.
//!
//! Taken from ServiceNow's documentation (ServiceNow/ServiceNowDocs, australia): the Table API, its parameters, headers
//! and examples; the Attachment and Batch APIs; operators of encoded queries and what an invalid
//! part of one does; inbound rate limiting. From what clients of real instances wrote down: the words of refusals (data
//! policies name labels, an unknown close code is dropped and then missed; `No Record found`; `Invalid table x`; access
//! tokens are refused with `access_denied`), the page of a hibernating instance, the form of journal histories. From
//! pysnc 1.2.1 and pysnow 0.7.17: what a client needs to work. Nothing here knows our adapter.
//!
//! Not ServiceNow's: `POST /opsknight-fake/rules`, which `rules.rs` explains.

mod access;
mod answer;
mod attachment;
mod batch;
mod call;
mod choices;
mod faults;
mod instance;
mod journal;
mod lifecycle;
mod oauth;
mod present;
mod query;
mod rules;
mod schema;
mod seed;
mod show;
mod table;
#[cfg(test)]
mod tests;
mod write;

use crate::message::Message;
use crate::servicenow::answer::Refusal;
use crate::servicenow::call::{Call, Route};
use crate::servicenow::faults::{FAULTS, Faults};
use crate::servicenow::instance::Instance;
use crate::servicenow::oauth::Tokens;
use crate::servicenow::rules::Rules;
use crate::simulator::{Fault, Request, Response, Simulator};
use model::time::Timestamp;

/// An instance of ServiceNow in memory.
#[derive(Debug, Default)]
pub struct ServiceNow {
    instance: Instance,
    tokens: Tokens,
    rules: Rules,
    faults: Faults,
}

impl Simulator for ServiceNow {
    fn answer(&mut self, request: &Request<'_>) -> Response {
        let path = request.target.split('?').next().unwrap_or_default();
        match path {
            "/oauth_token.do" if self.faults.takes_token() => oauth::refusal("server_error"),
            "/oauth_token.do" => self.tokens.answer(request),
            rules::PATH => self.rules.answer(request),
            _ if path.starts_with("/api/") => {
                self.serve_api(request).unwrap_or_else(|refusal| refusal.answer())
            }
            _ => answer::page(
                404,
                "Page not found",
                "The page you are looking for could not be found.",
            ),
        }
    }

    fn faults(&self) -> &'static [Fault] {
        FAULTS
    }

    fn fail_next(&mut self, fault: &str) -> bool {
        self.faults.add(fault, &mut self.instance)
    }

    fn messages(&self) -> Vec<Message> {
        show::incidents(&self.instance)
    }

    fn url(&self, address: &str) -> String {
        address.to_owned()
    }
}

impl ServiceNow {
    fn serve_api(&mut self, request: &Request<'_>) -> Result<Response, Refusal> {
        let Some(user) = access::caller(request.headers, &self.tokens, &self.instance, request.now) else {
            return Ok(access::unknown());
        };
        let mut call = Call::read(request, user)?;
        let fault = self.faults.take(&call).unwrap_or_default();
        if let Some(answer) = faults::answer(fault, &call, &self.instance, request.now) {
            let token = access::bearer(request.headers).filter(|_| fault == "expired");
            token.into_iter().for_each(|token| self.tokens.expire(token));
            return Ok(answer);
        }
        faults::prepare(fault, &mut call, &mut self.instance);
        let answer = serve(&mut self.instance, &call, request.now).unwrap_or_else(|refusal| refusal.answer());
        let changed = std::mem::take(&mut self.instance.changed);
        let last = changed
            .last()
            .and_then(|sys_id| self.instance.find("incident", sys_id));
        let answer = Response {
            message: last.map(|record| show::incident(&self.instance, record)),
            callbacks: self.rules.calls(&self.instance, &changed),
            ..answer
        };
        Ok(faults::spoil(fault, answer))
    }
}

/// Answers a request to the API.
fn serve(instance: &mut Instance, call: &Call<'_>, now: Timestamp) -> Result<Response, Refusal> {
    match call.route {
        Route::Table(name) => table::serve_table(instance, call, name),
        Route::Record(name, sys_id) => table::serve_record(instance, call, name, sys_id),
        Route::Batch => batch::answer(instance, call, now),
        Route::Attachments | Route::File(_) => attachment::serve(instance, call),
    }
}
