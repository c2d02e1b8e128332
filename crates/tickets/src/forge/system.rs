//! Which request an action is, and what its answer says, for either vendor.

use http::Method;
use serde_json::Value;

use crate::forge::account::{self, Account};
use crate::forge::answer::{About, Judge, Purpose, bucket, of_create};
use crate::forge::comments::{LENGTHS, Shape};
use crate::forge::issue::{Issue, Person, Step, is_elsewhere, people};
use crate::forge::markdown::{self, COMMENT_END};
use crate::forge::place::Place;
use crate::forge::settings::{
    DUPLICATE_LABEL, acknowledged_label, is_same_label, severity_label, severity_labels,
};
use crate::forge::texts::Texts;
use crate::forge::{
    CLOCKS, Change, FIND_LAG, Vendor, callback, check, listing, preview, problems, reference,
};
use crate::workflow::action::{Action, Facts, Move, Observation, Reference, Trouble, TroubleKind};
use crate::workflow::state::Doubt;
use crate::workflow::system::{AccessCheck, Ask, Capabilities, TicketSystem};
use destination::about::{KindDescription, Problem};
use destination::callback::{Call, Received, Refused};
use destination::preview::Preview;
use destination::task::{Rendered, Target};
use destination::template::Templates;
use destination::ticketing::{QueryContext, QueryStep};
use model::attempt::{Disposition, Failure};
use model::exchange::{Exchange, FailureCode};
use model::time::Timestamp;

const IDENTIFY: Purpose = purpose(About::Place, "see who it is");
const LIST: Purpose = purpose(About::Place, "list issues");
const SEE: Purpose = purpose(About::Place, "see this place");
const CREATE: Purpose = purpose(About::Place, "create issues");
const READ: Purpose = purpose(About::Issue, "see the issue");
const CHANGE: Purpose = purpose(About::Issue, "change the issue");
const COMMENT: Purpose = purpose(About::Issue, "comment on the issue");

const fn purpose(about: About, act: &'static str) -> Purpose {
    Purpose { about, act }
}

/// A vendor as the workflow sees it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Issues<V>(pub(crate) V);

impl<V: Vendor> TicketSystem for Issues<V> {
    fn description(&self) -> &'static KindDescription {
        self.0.about()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            name: self.0.forge().name,
            find_lag: FIND_LAG,
            links_back: false,
            comment_places: 1,
            duplicate_parts: 1,
            headline_parts: |target| 1 + severity_labels(target).len(),
            comment_break: markdown::COMMENT_BREAK,
            escape: markdown::escape,
            page: |target, id, _| V::default().place(target).page(id),
            must_look_up: self.0.forge().must_look_up,
        }
    }

    fn request(&self, ask: &Ask<'_>, action: &Action) -> Result<Rendered, Failure> {
        let (vendor, forge) = (self.0, self.0.forge());
        let place = vendor.place(ask.target).signed(forge, ask.target)?;
        Ok(match action {
            Action::Identify => place.get(&["user"], &[]),
            // A token that has lost sight of a place is told of none of its issues: 404 and empty lists.
            Action::CheckAccess(_) => place.get_own(&[], &[]),
            Action::LookUp(Reference::User(name)) => place.get(&["users"], &[("username", name)]),
            Action::Create => self.create(&place, ask)?,
            Action::FindByKey { page } => listing::request(forge, &place, ask.marker, *page)?,
            Action::Read { id, .. } | Action::ReadNamed { reference: id, .. } => {
                place.get_own(&["issues", id], &[])
            }
            Action::ReadComments { id, since, fewer } => self.comments(&place, id, Some(*since), *fewer),
            Action::FindComment { name, .. } => {
                let since = ask.sent_at().map(|at| at.minus(CLOCKS));
                self.comments(&place, &name.id, since, 0)
            }
            Action::Move(moving) => vendor.change(&place, &moving.name.id, change_of(ask, moving)?),
            Action::Retitle { name, part } => self.retitle(&place, ask, &name.id, *part)?,
            Action::Assign { name, account } => vendor.change(&place, &name.id, Change::Assign(account)),
            Action::MarkDuplicate { name, .. } => {
                vendor.change(&place, &name.id, Change::Label(DUPLICATE_LABEL))
            }
            Action::Comment { name, comment } => {
                let body = vendor.new_comment(ask.target, &format!("{}{COMMENT_END}", comment.text));
                place.send_own(Method::POST, &["issues", &name.id, forge.comments], &body)
            }
            Action::LookUp(Reference::Group(_) | Reference::Habit(_))
            | Action::Mark(_)
            | Action::LinkBack(_) => {
                return Err(self.unknown(action));
            }
        })
    }

    fn observe(&self, ask: &Ask<'_>, action: &Action, exchange: &Exchange) -> Observation {
        let answer = Answer {
            vendor: self.0,
            judge: self.judge(ask.target, ask.now),
            ask,
            exchange,
        };
        match action {
            Action::Identify => answer.identified(),
            Action::CheckAccess(doubt) => match answer.judge.json(exchange, SEE) {
                Ok(seen) => self.may_find(doubt, &seen),
                Err(trouble) if trouble.kind == TroubleKind::Missing => Err(Trouble {
                    kind: TroubleKind::Forbidden,
                    ..trouble
                }),
                Err(trouble) => Err(trouble),
            },
            Action::LookUp(Reference::User(name)) => answer.looked_up(name),
            Action::Create => answer
                .issue(CREATE)
                .map_err(|trouble| of_create(self.0.forge(), trouble, exchange, ask.dropped())),
            Action::FindByKey { page } => answer.listed(*page),
            Action::Read { .. } | Action::ReadNamed { .. } => answer.issue(READ),
            Action::ReadComments { since, .. } => answer.comments(*since),
            Action::FindComment { key, .. } => answer.comment(key),
            Action::Move(moving) => match Step::read(&moving.plan) {
                Some(Step::Label | Step::Unlabel) | None => answer.labelled(),
                Some(Step::Close | Step::Reopen) => answer.issue(CHANGE),
            },
            Action::Retitle { part: 0, .. } | Action::Assign { .. } => answer.issue(CHANGE),
            Action::Retitle { .. } => answer.labelled(),
            Action::MarkDuplicate { .. } => answer.labelled(),
            Action::Comment { .. } => answer.commented(),
            Action::LookUp(Reference::Group(_) | Reference::Habit(_))
            | Action::Mark(_)
            | Action::LinkBack(_) => Err(Trouble::new(TroubleKind::Refused, self.unknown(action))),
        }
    }

    fn access_check(&self) -> AccessCheck {
        AccessCheck::Sight
    }

    fn is_identified(&self, target: &Target) -> bool {
        Account::learned(target).is_some()
    }

    fn check(&self, target: &Target) -> Vec<Problem> {
        let address = self.0.problems(target).into_iter();
        address.chain(problems::check(self.0.forge(), target)).collect()
    }

    fn try_templates(&self, target: &Target, templates: &Templates) -> Vec<Problem> {
        problems::try_templates(self.0.forge(), target, templates)
    }

    fn bucket(&self, target: &Target) -> String {
        bucket(self.0.forge(), target)
    }

    fn check_connection(&self, asking: &QueryContext<'_>) -> QueryStep {
        check::check(self.0, asking).unwrap_or_else(|ended| *ended)
    }

    fn place(&self, target: &Target) -> String {
        self.0.place(target).home.to_lowercase()
    }

    fn reference(&self, target: &Target, text: &str) -> Result<String, String> {
        reference::reference(&self.0.place(target), text)
    }

    fn receive(&self, call: &Call<'_>) -> Result<Received, Refused> {
        callback::receive(self.0, call)
    }

    fn callback_help(&self, call: &Call<'_>, callback: &str) -> Option<String> {
        let secret = callback::secret(self.0.forge(), call);
        let home = self.0.place(call.target).home;
        Some(self.0.callback_help(&home, callback, &secret))
    }

    fn preview(&self, body: &[u8]) -> Option<Preview> {
        preview::preview(body)
    }
}

impl<V: Vendor> Issues<V> {
    fn judge<'a>(&self, target: &'a Target, now: Timestamp) -> Judge<'a> {
        Judge {
            forge: self.0.forge(),
            target,
            now,
        }
    }

    fn create(&self, place: &Place, ask: &Ask<'_>) -> Result<Rendered, Failure> {
        let forge = self.0.forge();
        let texts = Texts::new(forge, ask.task()?, ask.marker)?;
        let is_dropped = |part: &str| ask.dropped().iter().any(|dropped| dropped.starts_with(part));
        let texts = match is_dropped("label") {
            true => texts.with_our_label(),
            false => texts,
        };
        // Whoever has to be looked up gets the issue once it is there.
        let account = ask.account().filter(|account| !(forge.must_look_up)(account));
        let account = account.filter(|_| !is_dropped("assignee"));
        let body = self.0.new_issue(ask, texts, account);
        Ok(place.send_own(Method::POST, &["issues"], &body))
    }

    /// The title first, then each severity's label: that of the present one is put on, the others are taken off.
    fn retitle(&self, place: &Place, ask: &Ask<'_>, number: &str, part: usize) -> Result<Rendered, Failure> {
        let task = ask.task()?;
        let labels = severity_labels(ask.target);
        let Some(label) = part.checked_sub(1).and_then(|index| labels.get(index)) else {
            let texts = Texts::new(self.0.forge(), task, ask.marker)?;
            return Ok(self.0.change(place, number, Change::Title(&texts.title)));
        };
        let now = task
            .event
            .incident()
            .and_then(|incident| severity_label(ask.target, incident.severity));
        let change = match now.is_some_and(|now| is_same_label(now, label)) {
            true => Change::Label(label),
            false => Change::Unlabel(label),
        };
        Ok(self.0.change(place, number, change))
    }

    /// Who may not label makes issues that no list of ours shows: that none is found says nothing then.
    fn may_find(&self, doubt: &Doubt, seen: &Value) -> Observation {
        let may_label = self.0.place_seen(seen).may_label;
        match doubt {
            Doubt::NotMade(_) if may_label == Some(false) => {
                let place = self.0.forge().place;
                let detail = format!(
                    "this token may not label issues in the {place}, so that one of its own is not found again: give it a role \
                     that may, and look for the issue by hand"
                );
                let failure =
                    Failure::new(FailureCode::SettingsRefused, detail).with(Disposition::NeedsOperator);
                Err(Trouble::new(TroubleKind::Forbidden, failure))
            }
            Doubt::NotMade(_) | Doubt::Gone | Doubt::Refused(_) => Ok(Facts::Nothing),
        }
    }

    fn comments(&self, place: &Place, number: &str, since: Option<Timestamp>, fewer: usize) -> Rendered {
        let forge = self.0.forge();
        let [many, few] = LENGTHS;
        let length = if fewer == 0 { many } else { few }.to_string();
        let since = since.map(Timestamp::to_rfc3339_seconds);
        let mut query = vec![("per_page", length.as_str())];
        match forge.latest_comments {
            [] => query.extend(since.as_deref().map(|since| ("since", since))),
            latest => query.extend(latest),
        }
        place.get_own(&["issues", number, forge.comments], &query)
    }

    /// An action that this system is never asked for, given its capabilities.
    fn unknown(&self, action: &Action) -> Failure {
        let name = self.0.forge().name;
        let detail = format!("{name} knows nothing like {action:?}: tell us, it is a mistake of ours");
        Failure::new(FailureCode::RequestInvalid, detail).with(Disposition::Permanent)
    }
}

/// The change that a move is.
fn change_of<'a>(ask: &Ask<'a>, moving: &Move) -> Result<Change<'a>, Failure> {
    let label = acknowledged_label(ask.target).unwrap_or_default();
    match Step::read(&moving.plan) {
        Some(Step::Close) if moving.duplicate_of.is_some() => Ok(Change::CloseDuplicate),
        Some(Step::Close) => Ok(Change::Close),
        Some(Step::Reopen) => Ok(Change::Reopen),
        Some(Step::Label) => Ok(Change::Label(label)),
        Some(Step::Unlabel) => Ok(Change::Unlabel(label)),
        None => {
            let detail = "the change that was chosen cannot be read any more";
            Err(Failure::new(FailureCode::RequestInvalid, detail))
        }
    }
}

/// An answer of a vendor.
struct Answer<'a, V> {
    vendor: V,
    judge: Judge<'a>,
    ask: &'a Ask<'a>,
    exchange: &'a Exchange,
}

impl<V: Vendor> Answer<'_, V> {
    fn read(&self, value: &Value) -> Option<Issue> {
        Issue::read(self.vendor.forge(), &self.vendor.place(self.ask.target), value)
    }

    /// Who we are. The token of an app belongs to no user.
    fn identified(&self) -> Observation {
        let target = self.judge.target;
        match self.judge.json(self.exchange, IDENTIFY) {
            Ok(body) => Ok(account::learned(
                target,
                Person::read(&body, self.judge.forge.login),
            )),
            Err(trouble) if trouble.is_about_this() => Ok(account::learned(target, None)),
            Err(trouble) => Err(trouble),
        }
    }

    fn looked_up(&self, name: &str) -> Observation {
        let listed = match self.judge.json(self.exchange, IDENTIFY) {
            Ok(listed) => people(&listed, self.judge.forge.login),
            Err(trouble) if trouble.is_about_this() => Vec::new(),
            Err(trouble) => return Err(trouble),
        };
        let is_it = |person: &Person| person.login.eq_ignore_ascii_case(name) && !person.id.is_empty();
        let found = listed.into_iter().find(is_it);
        Ok(Facts::Id(found.map(|person| person.id)))
    }

    /// How the issue stands that was asked for.
    fn issue(&self, purpose: Purpose) -> Observation {
        let response = self.judge.good(self.exchange, purpose)?;
        let body = self.judge.json(self.exchange, purpose)?;
        if let Some(why) = is_elsewhere(&body) {
            let failure = Failure::new(FailureCode::TicketLost, why).with(Disposition::Permanent);
            return Err(Trouble::new(TroubleKind::Missing, failure));
        }
        let issue = self.read(&body).ok_or_else(|| self.judge.strange(response))?;
        Ok(Facts::Ticket(Box::new(issue.sighting(self.ask))))
    }

    /// The same after a label was put on or off, which is not always answered with the issue. A label that is not there is off.
    fn labelled(&self) -> Observation {
        match self.judge.good(self.exchange, CHANGE) {
            Ok(response) => {
                let body = serde_json::from_slice(&response.body).unwrap_or_default();
                let issue = self.read(&body);
                Ok(issue.map_or(Facts::Nothing, |issue| {
                    Facts::Ticket(Box::new(issue.sighting(self.ask)))
                }))
            }
            Err(trouble) if trouble.kind == TroubleKind::Missing => Ok(Facts::Nothing),
            Err(trouble) => Err(trouble),
        }
    }

    fn listed(&self, page: usize) -> Observation {
        let response = self.judge.good(self.exchange, LIST)?;
        let body = self.judge.json(self.exchange, LIST)?;
        let listed = body.as_array().ok_or_else(|| self.judge.strange(response))?;
        let there = listed.iter().filter(|value| is_elsewhere(value).is_none());
        let issues = there.filter_map(|value| self.read(value)).collect();
        listing::marked(self.ask, issues, listed.len(), page)
    }

    /// A page of a proxy is no comment.
    fn commented(&self) -> Observation {
        let response = self.judge.good(self.exchange, COMMENT)?;
        match self.judge.json(self.exchange, COMMENT)?.get("id") {
            Some(_) => Ok(Facts::Nothing),
            None => Err(self.judge.strange(response)),
        }
    }

    fn comments(&self, since: Timestamp) -> Observation {
        let listed = self.judge.json(self.exchange, READ)?;
        let shape = Shape(self.judge.forge);
        Ok(Facts::Comments(shape.of_people(
            self.judge.target,
            &listed,
            since,
        )))
    }

    fn comment(&self, key: &str) -> Observation {
        let response = self.judge.good(self.exchange, READ)?;
        let shape = Shape(self.judge.forge);
        Ok(Facts::Comment(shape.presence(self.judge.target, response, key)))
    }
}
