//! The same for every incident that is ticked on the list, and what to say of it afterwards.

use axum::extract::State;

use crate::layout::error::{PageError, PageResult};
use crate::layout::form::Form;
use crate::layout::{Flash, go, local_path};
use crate::session::UserSession;
use crate::state::WebState;
use actions::Patch;
use actions::bulk::{BulkAction, BulkChange, BulkOutcome, BulkResult};
use actions::incidents::UserChoice;

/// What begins the code that tells of a bulk change.
const CODE: &str = "bulk";

/// What came of a bulk change, as its code in an address has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BulkTally {
    action: BulkAction,
    changed: usize,
    unchanged: usize,
    /// What the action did not apply to, or was gone.
    refused: usize,
}

impl BulkTally {
    /// Counts what became of each.
    pub fn new(action: BulkAction, results: &[BulkResult]) -> Self {
        let count = |outcome| results.iter().filter(|result| result.outcome == outcome).count();
        Self {
            action,
            changed: count(BulkOutcome::Changed),
            unchanged: count(BulkOutcome::Unchanged),
            refused: count(BulkOutcome::Refused) + count(BulkOutcome::NotFound),
        }
    }

    /// As an address has it.
    pub fn code(self) -> String {
        let action: &'static str = self.action.into();
        format!(
            "{CODE}-{action}-{}-{}-{}",
            self.changed, self.unchanged, self.refused
        )
    }

    /// The tally of a code; nothing if it is none.
    pub fn parse(code: &str) -> Option<Self> {
        let mut parts = code.split('-');
        let is_bulk = parts.next() == Some(CODE);
        let action = BulkAction::parse(parts.next()?)?;
        let mut number = || parts.next()?.parse().ok();
        let tally = Self {
            action,
            changed: number()?,
            unchanged: number()?,
            refused: number()?,
        };
        is_bulk.then_some(tally)
    }

    /// In words, for whoever did it.
    pub fn flash(self) -> Flash {
        let done = match self.action {
            BulkAction::Acknowledge => "acknowledged",
            BulkAction::Resolve => "resolved",
            BulkAction::Assign => "assigned",
        };
        let mut sentence = format!("{} {done}.", self.changed);
        match self.unchanged {
            0 => {}
            1 => sentence.push_str(" 1 was so already."),
            count => sentence.push_str(&format!(" {count} were so already.")),
        }
        match self.refused {
            0 => {}
            count => sentence.push_str(&format!(" {count} could not be: somebody may have been faster.")),
        }
        let tone = match (self.refused, self.changed) {
            (0, 0) => "info",
            (0, _) => "success",
            (_, _) => "warning",
        };
        Flash {
            tone,
            sentence: sentence.into(),
        }
    }
}

/// `POST /incidents/bulk`
pub async fn change(State(state): State<WebState>, session: UserSession, form: Form) -> PageResult {
    let back = local_path(form.text("back"), "/incidents");
    let Some(action) = BulkAction::parse(form.text("do")) else {
        return Err(PageError::bad_request("this cannot be done to incidents"));
    };
    let incidents = form.all("incident");
    if incidents.is_empty() {
        return go(back, "none-chosen");
    }
    let assignee = match (action, form.text("assignee")) {
        (BulkAction::Acknowledge | BulkAction::Resolve, _) => Patch::Keep,
        (BulkAction::Assign, "") => Patch::Clear,
        (BulkAction::Assign, text) => match text.parse() {
            Ok(id) => Patch::Set(UserChoice { id }),
            Err(_) => return Err(PageError::bad_request("this is no user")),
        },
    };
    let change = BulkChange {
        incidents,
        action,
        assignee,
    };
    let results = state.actions.change_incidents(&session.actor(), change).await?;
    go(back, &BulkTally::new(action, &results).code())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_is_told_in_words_and_only_numbers_come_from_the_address() {
        let said = |code: &str| BulkTally::parse(code).map(|tally| tally.flash().sentence.into_owned());
        assert_eq!(
            said("bulk-acknowledge-12-1-0").as_deref(),
            Some("12 acknowledged. 1 was so already.")
        );
        assert_eq!(
            said("bulk-resolve-0-2-3").as_deref(),
            Some("0 resolved. 2 were so already. 3 could not be: somebody may have been faster.")
        );
        for nonsense in [
            "bulk",
            "bulk-burn-1-1-1",
            "bulk-resolve-1-1",
            "bulk-resolve-x-1-1",
            "saved",
        ] {
            assert_eq!(said(nonsense), None, "{nonsense}");
        }
        let tally = BulkTally::parse("bulk-assign-1-2-3").unwrap();
        assert_eq!(tally.code(), "bulk-assign-1-2-3");
    }
}
