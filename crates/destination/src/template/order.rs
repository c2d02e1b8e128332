//! Texts that users' templates make. Nothing can stop such a template within this process, so that an adapter does not render
//! it: it orders the text, and is asked again once the text was made elsewhere, or could not be.

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::template::context::Context;
use crate::template::{Broken, Escape, is_template, render};
use model::attempt::Disposition;

/// The most texts that are ordered at once: far more than any check of a webhook needs.
const MAX_ORDERS: usize = 4096;

/// A text that is to be made: all that it takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// The template.
    pub source: String,
    /// How its values are made harmless.
    pub escape: Escape,
    /// What it may name.
    pub context: Arc<Context>,
}

impl Order {
    /// Makes the text here, whatever that takes. For the process that may be ended.
    pub fn fill(&self) -> Made {
        render(&self.source, self.context.values(self.escape), self.escape)
    }
}

/// A text, or why there is none.
pub type Made = Result<String, Broken>;

/// The texts that were made for a piece of work, and those that it turned out to need.
#[derive(Debug, Default)]
pub struct Templates {
    made: Vec<(Order, Made)>,
    ordered: Mutex<Vec<Order>>,
}

impl Templates {
    /// No texts yet.
    pub const fn none() -> Self {
        Self {
            made: Vec::new(),
            ordered: Mutex::new(Vec::new()),
        }
    }

    /// The text of a user's template. One that was not made yet is ordered, and is an error that nobody will see.
    pub fn render(&self, source: &str, context: &Arc<Context>, escape: Escape) -> Made {
        if !is_template(source) {
            return render(source, minijinja::Value::UNDEFINED, escape);
        }
        let known = self
            .made
            .iter()
            .find(|(order, _)| order.source == source && order.escape == escape && order.context == *context);
        if let Some((_, made)) = known {
            return made.clone();
        }
        let order = Order {
            source: source.to_owned(),
            escape,
            context: Arc::clone(context),
        };
        let mut ordered = self.ordered.lock().unwrap_or_else(PoisonError::into_inner);
        if ordered.len() < MAX_ORDERS && !ordered.contains(&order) {
            ordered.push(order);
        }
        Err(Broken {
            place: None,
            sentence: "it was not rendered yet".to_owned(),
            disposition: Disposition::RateLimited,
        })
    }

    /// Takes what was ordered. Without any, whatever came of the work holds.
    pub fn take_ordered(&mut self) -> Vec<Order> {
        let ordered = self.ordered.get_mut().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(ordered)
    }

    /// Puts a text where the work will find it.
    pub fn put(&mut self, order: Order, made: Made) {
        self.made.push((order, made));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_ordered_once_and_found_when_it_was_made() {
        let mut templates = Templates::default();
        let context = Arc::new(Context::default());
        let render = |templates: &Templates| templates.render("{{ 1 + 1 }}", &context, Escape::Nothing);
        assert!(render(&templates).is_err() && render(&templates).is_err());
        let ordered = templates.take_ordered();
        assert_eq!(ordered.len(), 1);
        ordered.into_iter().for_each(|order| {
            let made = order.fill();
            templates.put(order, made);
        });
        assert_eq!(render(&templates).as_deref(), Ok("2"));
        assert!(templates.take_ordered().is_empty());
    }

    #[test]
    fn what_is_no_template_is_ordered_from_nobody() {
        let mut templates = Templates::default();
        let made = templates.render("plain\n", &Arc::default(), Escape::Json);
        assert_eq!(
            (made.as_deref(), templates.take_ordered().len()),
            (Ok("plain"), 0)
        );
    }
}
