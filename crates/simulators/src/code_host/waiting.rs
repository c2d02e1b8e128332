//! Faults that wait for the first request that can meet them.

use crate::simulator::{Fault, Response};

/// The most faults that wait.
const MAX_WAITING: usize = 32;

/// The faults that wait, in the order in which they were asked for.
#[derive(Debug, Default)]
pub struct Waiting(Vec<&'static str>);

impl Waiting {
    /// Lets a fault wait; the oldest are kept if there are too many.
    pub fn add(&mut self, name: &'static str) {
        if self.0.len() < MAX_WAITING {
            self.0.push(name);
        }
    }

    /// The first fault that a request meets.
    pub fn take(&mut self, meets: impl Fn(&str) -> bool) -> Option<&'static str> {
        let place = self.0.iter().position(|name| meets(name))?;
        Some(self.0.remove(place))
    }
}

/// A fault with what it does.
pub const fn fault(name: &'static str, meaning: &'static str) -> Fault {
    Fault { name, meaning }
}

/// The same answer, lost on its way.
pub fn lost(answer: Response) -> Response {
    let sentence = format!("{}, and the connection broke", answer.sentence);
    Response {
        is_lost: true,
        sentence,
        ..answer
    }
}

/// A page of somebody in between.
pub fn page(status: u16, title: &str) -> Response {
    Response {
        status,
        headers: vec![("content-type", "text/html; charset=utf-8".to_owned())],
        body: format!(
            "<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
        ),
        sentence: format!("answered with a page: {title}"),
        ..Response::default()
    }
}
