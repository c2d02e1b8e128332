//! The same for every incident that is ticked on the list, or for all that fit its filters, and what to say of it afterwards. All of
//! them are done in steps: each answer is a page that says how far it is, and asks for the next step.

use askama::Template;
use axum::extract::State;

use crate::incidents::list::filter_of;
use crate::incidents::parts::{parse_place, place_text};
use crate::layout::error::{PageError, PageResult};
use crate::layout::form::Form;
use crate::layout::query::Query;
use crate::layout::show;
use crate::layout::{Flash, Layout, Nav, go, local_path, render};
use crate::session::UserSession;
use crate::state::WebState;
use actions::Patch;
use actions::bulk::{BulkAction, BulkChange, BulkOutcome, BulkResult, MAX_BULK};
use actions::incident_lists::{IncidentOrder, Part};
use actions::incidents::UserChoice;
use model::incident::IncidentStatus;
use store::incident_search::OPEN;
use store::incidents::{IncidentFilter, StatusCounts};

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

    /// Of two steps together.
    fn plus(self, other: Self) -> Self {
        Self {
            changed: self.changed + other.changed,
            unchanged: self.unchanged + other.unchanged,
            refused: self.refused + other.refused,
            ..self
        }
    }

    fn count(self) -> usize {
        self.changed + self.unchanged + self.refused
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
    let assignee = assignee_of(action, &form)?;
    if form.has("all") {
        return change_all(&state, &session, &form, (action, assignee)).await;
    }
    let incidents = form.all("incident");
    if incidents.is_empty() {
        return go(back, "none-chosen");
    }
    let change = BulkChange {
        incidents,
        action,
        assignee,
    };
    let results = state.actions.change_incidents(&session.actor(), change).await?;
    go(back, &BulkTally::new(action, &results).code())
}

fn assignee_of(action: BulkAction, form: &Form) -> Result<Patch<UserChoice>, PageError> {
    Ok(match (action, form.text("assignee")) {
        (BulkAction::Acknowledge | BulkAction::Resolve, _) => Patch::Keep,
        (BulkAction::Assign, "") => Patch::Clear,
        (BulkAction::Assign, text) => match text.parse() {
            Ok(id) => Patch::Set(UserChoice { id }),
            Err(_) => return Err(PageError::bad_request("this is no user")),
        },
    })
}

/// How far a change of all incidents is that fit.
#[derive(Template)]
#[template(path = "incidents/bulk.html")]
struct BulkPage {
    layout: Layout,
    back: String,
    action: &'static str,
    assignee: String,
    /// What came of the steps so far.
    tally: BulkTally,
    done: String,
    total: String,
    /// Where the next step begins.
    place: String,
    /// Whether somebody has said that it shall begin.
    has_begun: bool,
}

/// One step of changing all incidents that fit the filters of the page that the form comes from. The first time it is only asked
/// whether to begin.
async fn change_all(
    state: &WebState,
    session: &UserSession,
    form: &Form,
    (action, assignee): (BulkAction, Patch<UserChoice>),
) -> PageResult {
    let back = local_path(form.text("back"), "/incidents");
    let query = Query::of_address(back);
    let text = query.search("q");
    let filter = narrowed(filter_of(&query, session, text.as_deref()), action);
    let has_begun = form.has("begin");
    let so_far = BulkTally::parse(form.text("tally")).unwrap_or(BulkTally::new(action, &[]));
    let (mut tally, mut place) = (so_far, form.text("place").to_owned());
    if has_begun {
        let part = parse_place(IncidentOrder::Newest, &place).map_or(Part::First, Part::After);
        let limit = u32::try_from(MAX_BULK).unwrap_or(u32::MAX);
        let listed = state
            .actions
            .list_incidents(filter.clone(), IncidentOrder::Newest, part, limit)
            .await?;
        if !listed.rows.is_empty() {
            let change = BulkChange {
                incidents: listed
                    .rows
                    .iter()
                    .map(|incident| incident.id.to_string())
                    .collect(),
                action,
                assignee,
            };
            let results = state.actions.change_incidents(&session.actor(), change).await?;
            tally = tally.plus(BulkTally::new(action, &results));
        }
        match listed.next {
            Some(next) => place = place_text(next),
            None => return go(back, &tally.code()),
        }
    }
    let total = match (has_begun, text) {
        (true, _) => form.text("total").to_owned(),
        (false, None) => counted(&filter, state.store.incidents.count(filter.clone()).await?),
        (false, Some(_)) => String::new(),
    };
    render(&BulkPage {
        layout: Layout::new(session, "Change many incidents", Nav::Incidents),
        back: back.to_owned(),
        action: action.into(),
        assignee: form.text("assignee").to_owned(),
        done: show::count(u64::try_from(tally.count()).unwrap_or(u64::MAX)),
        tally,
        total,
        place,
        has_begun,
    })
}

/// The same without those that the action says nothing to.
fn narrowed(filter: IncidentFilter, action: BulkAction) -> IncidentFilter {
    let fitting: &[IncidentStatus] = match action {
        BulkAction::Acknowledge => &[IncidentStatus::Triggered],
        BulkAction::Resolve => &OPEN,
        BulkAction::Assign => return filter,
    };
    let wanted = |status: &IncidentStatus| filter.statuses.is_empty() || filter.statuses.contains(status);
    IncidentFilter {
        statuses: fitting.iter().copied().filter(wanted).collect(),
        ..filter
    }
}

/// How many there are to be changed, as far as they are counted.
fn counted(filter: &IncidentFilter, counts: StatusCounts) -> String {
    let has = |status| filter.statuses.is_empty() || filter.statuses.contains(&status);
    let parts = [
        (IncidentStatus::Triggered, counts.triggered, counts.open_is_cut),
        (
            IncidentStatus::Acknowledged,
            counts.acknowledged,
            counts.open_is_cut,
        ),
        (IncidentStatus::Resolved, counts.resolved, counts.resolved_is_cut),
    ];
    let of = parts.into_iter().filter(|(status, _, _)| has(*status));
    let (count, is_cut) = of.fold((0, false), |(sum, any), (_, count, is_cut)| {
        (sum + count, any || is_cut)
    });
    format!("{}{}", show::count(count), if is_cut { "+" } else { "" })
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
