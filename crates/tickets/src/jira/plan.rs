//! The line of a delivery's requests: which is next, given all that is known, and how it goes on after an answer.

use crate::jira::answer::Trouble;
use crate::jira::api::Api;
use crate::jira::memory::{Account, Memory};
use crate::jira::note::{self, Note};
use crate::jira::progress::{Chore, Progress, Stuck, Turn, Way};
use crate::jira::settings::Settings;
use crate::jira::{account, assign, create, issue, link_back, look, moving, read};
use destination::task::{Classification, Rendered, Step, Task};
use model::attempt::{Disposition, Failure, Outcome};
use model::event::EventName;
use model::exchange::{Exchange, FailureCode};
use model::incident::IncidentStatus;
use model::patch::Patch;
use model::ticket::{Intent, LinkState, Ticket, TicketNews, marker};
use model::time::Timestamp;
use model::user::UserRef;

/// What a delivery does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Doing {
    /// Nothing: there is no ticket and none is wanted. Says why.
    Idle(&'static str),
    /// Nothing: a test whose ticket may be there already.
    TestedAlready,
    /// Making the ticket.
    Create,
    /// Looking whether the ticket that Jira told of is ours.
    LookAt(String),
    /// Looking for a ticket that may have been made.
    LookFor(Intent),
    /// Learning who we are.
    LearnAccount,
    /// Reading the ticket with this id.
    Read(String),
    /// Taking a transition.
    Move(Way),
    /// Linking back, or telling the link whether the incident is resolved.
    LinkBack,
    /// Giving it to this account.
    Assign(String),
    /// Looking whether a note is there already.
    LookForNote(String),
    /// Writing a note.
    Note(Note),
    /// Nothing more, but the ticket is not where it is to be.
    Stuck(Stuck),
    /// Nothing more.
    Done,
}

/// All that is known of a delivery.
#[derive(Debug, Clone)]
pub(super) struct Facts<'a> {
    /// The delivery.
    pub(super) task: Task<'a>,
    /// How far it has come.
    pub(super) progress: Progress,
    /// What the ticket was told by earlier ones.
    pub(super) memory: Memory,
    /// Who we are.
    pub(super) account: Option<Account>,
}

impl<'a> Facts<'a> {
    /// What a task says.
    pub(super) fn of(task: &Task<'a>) -> Self {
        let progress = Progress::read(task.continuation);
        let mut facts = Self {
            task: *task,
            memory: Memory::of(None, ""),
            account: Account::learned(task.target),
            progress,
        };
        facts.remember();
        facts
    }

    /// Recalls what the present ticket was told.
    pub(super) fn remember(&mut self) {
        self.memory = Memory::of(self.task.message_ref, &self.ticket_id().unwrap_or_default());
    }

    /// The settings.
    pub(super) fn settings(&self) -> Settings<'a> {
        Settings(self.task.target)
    }

    /// Where requests go.
    pub(super) fn api(&self) -> Api<'a> {
        Api {
            target: self.task.target,
            token: self.task.token,
        }
    }

    /// What marks the incident's ticket.
    pub(super) fn marker(&self) -> String {
        self.task.ticket.map_or_else(
            || marker(self.task.webhook.id, self.task.event.incident_id, 1),
            |link| link.marker(),
        )
    }

    /// The id of the incident's ticket, if there is one.
    pub(super) fn ticket_id(&self) -> Option<String> {
        let linked = self
            .task
            .ticket
            .and_then(|link| link.ticket())
            .map(|ticket| ticket.id.clone());
        linked.or_else(|| self.progress.made.as_ref().map(|made| made.id.clone()))
    }

    /// What people call the ticket.
    pub(super) fn key(&self) -> String {
        let seen = self.progress.sight.as_ref().map(|sight| sight.name.key.clone());
        let linked = || {
            self.task
                .ticket
                .and_then(|link| link.ticket())
                .map(|ticket| ticket.key.clone())
        };
        let made = || self.progress.made.as_ref().map(|made| made.key.clone());
        seen.or_else(linked)
            .or_else(made)
            .unwrap_or_else(|| "the ticket".to_owned())
    }

    /// Who has the incident: now if that is known, or else when the event happened.
    pub(super) fn assignee(&self) -> Option<UserRef> {
        let then = || self.task.event.incident().and_then(|incident| incident.assignee);
        self.task
            .incident_context
            .map_or_else(then, |beyond| beyond.assignee.clone())
    }

    /// The same as the memory keeps it.
    pub(super) fn assignee_id(&self) -> String {
        self.assignee().map_or(String::new(), |user| user.id.to_string())
    }

    /// Whether the incident is resolved, as the event says.
    pub(super) fn is_resolved(&self) -> bool {
        let status = self.task.event.incident().map(|incident| incident.status);
        status == Some(IncidentStatus::Resolved)
    }

    /// What is next.
    pub(super) fn next(&self) -> Doing {
        if let Some(LinkState::Unlinked) = self.task.ticket.map(|link| &link.state) {
            return Doing::Idle("the ticket was unlinked by hand");
        }
        match (self.task.event.is_test, self.ticket_id()) {
            (true, _) => self.next_of_test(),
            (false, None) => self.next_without_ticket(),
            (false, Some(id)) => self.next_with_ticket(id),
        }
    }

    fn next_of_test(&self) -> Doing {
        match self.task.ticket.map(|link| &link.state) {
            None | Some(LinkState::Wanted) => Doing::Create,
            Some(LinkState::Intended(_)) => Doing::TestedAlready,
            Some(LinkState::Linked(_) | LinkState::Unlinked) => Doing::Done,
        }
    }

    fn next_without_ticket(&self) -> Doing {
        let state = self.task.ticket.map(|link| &link.state);
        if state.is_none() && self.task.event.name == EventName::Resolved {
            return Doing::Idle("there is no ticket to close");
        }
        if self.needs_account() {
            return Doing::LearnAccount;
        }
        match state {
            None | Some(LinkState::Wanted | LinkState::Linked(_) | LinkState::Unlinked) => Doing::Create,
            Some(LinkState::Intended(intent)) => match &intent.hinted {
                Some(id) if issue::is_id(id) && !self.progress.has_given_up(Chore::Hint) => {
                    Doing::LookAt(id.clone())
                }
                Some(_) | None => Doing::LookFor(intent.clone()),
            },
        }
    }

    fn next_with_ticket(&self, id: String) -> Doing {
        if self.needs_account() {
            return Doing::LearnAccount;
        }
        let Some(sight) = self.progress.sight.as_ref().filter(|sight| sight.name.id == id) else {
            return Doing::Read(id);
        };
        let has_link_back = self.memory.link_is_resolved.is_some();
        if !has_link_back && link_back::is_due(self) {
            return Doing::LinkBack;
        }
        if let Some(Turn::Take(way)) = &sight.turn {
            return Doing::Move(way.clone());
        }
        if let Some(account) = assign::due(self, sight) {
            return Doing::Assign(account);
        }
        if let Some(key) = &self.progress.sending {
            return Doing::LookForNote(key.clone());
        }
        if let Some(note) = note::due(self) {
            return Doing::Note(note);
        }
        if link_back::is_due(self) {
            return Doing::LinkBack;
        }
        match &sight.turn {
            Some(Turn::Stuck(stuck)) => Doing::Stuck(stuck.clone()),
            Some(Turn::Take(_)) | None => Doing::Done,
        }
    }

    fn needs_account(&self) -> bool {
        self.account.is_none() && !self.progress.has_given_up(Chore::Account)
    }

    /// The ticket as it was just read.
    fn ticket(&self) -> Option<Ticket> {
        let sight = self.progress.sight.as_ref()?;
        Some(Ticket {
            url: issue::page(self.settings(), &sight.name.key),
            id: sight.name.id.clone(),
            key: sight.name.key.clone(),
            phase: sight.phase.0,
            status: sight.status.clone(),
        })
    }

    /// How it goes on after a request that was taken: another follows, or this was the last.
    pub(super) fn go_on(mut self, note: impl Into<String>) -> Classification {
        let next = self.next();
        let ticket = self.ticket().map(TicketNews::Seen);
        let judgement = match next {
            Doing::Done => {
                self.memory.assignee = Some(self.assignee_id());
                self.memory.event = Some(self.task.event.id.to_string());
                Classification {
                    continuation: Patch::Clear,
                    ..Outcome::Delivered.into()
                }
            }
            Doing::Stuck(stuck) => stuck_at_the_end(&stuck),
            _ => Classification {
                continuation: self.progress.text().map_or(Patch::Clear, Patch::Set),
                ..Outcome::Step.into()
            },
        };
        Classification {
            message_ref: self.kept_memory(),
            ticket,
            ..judgement.noted(note)
        }
    }

    /// How it goes on after a request that came to nothing. Whatever was read is read again.
    pub(super) fn give_up(mut self, trouble: Trouble) -> Classification {
        self.progress.sight = None;
        if trouble.failure.disposition == Disposition::Permanent {
            // A replay begins anew: the settings may have changed. Only notes are not forgotten, which it must not repeat.
            self.progress = Progress {
                sending: self.progress.sending,
                sending_since: self.progress.sending_since,
                noted: self.progress.noted,
                ..Progress::default()
            };
        }
        let progress = self.progress.text().map_or(Patch::Clear, Patch::Set);
        Classification {
            message_ref: self.kept_memory(),
            continuation: progress,
            pause: trouble.pause,
            ..trouble.failure.into()
        }
    }

    fn kept_memory(&self) -> Patch<String> {
        let text = self.memory.text();
        let tells = self.memory.assignee.is_some() || self.memory.link_is_resolved.is_some();
        match tells && self.task.message_ref != Some(text.as_str()) {
            true => Patch::Set(text),
            false => Patch::Keep,
        }
    }
}

fn stuck_at_the_end(stuck: &Stuck) -> Classification {
    Classification {
        continuation: Patch::Clear,
        ..Failure::new(stuck.code(), stuck.sentence.clone())
            .with(Disposition::Permanent)
            .into()
    }
}

/// See [`destination::Adapter::step`].
pub(super) fn step(task: &Task<'_>) -> Step {
    let facts = Facts::of(task);
    match facts.next() {
        Doing::Idle(why) => Step::done(Classification::from(Outcome::Delivered).noted(why)),
        Doing::TestedAlready => Step::done(tested_already()),
        Doing::Stuck(stuck) => Step::done(stuck_at_the_end(&stuck)),
        Doing::Done => Step::done(facts.go_on("there was nothing more to do")),
        Doing::Create => send(create::request(&facts), create::judge),
        Doing::LookAt(id) => send(read::plain_request(facts.api(), &id), look::judge_hint),
        Doing::LookFor(intent) => send(
            look::request(facts.api(), &facts.marker()),
            move |facts, exchange, now| look::judge(facts, &intent, exchange, now),
        ),
        Doing::LearnAccount => send(account::request(facts.api()), account::judge),
        Doing::Read(id) => send(read::request(&facts, &id), read::judge),
        Doing::Move(way) => send(moving::request(&facts, &way), move |facts, exchange, now| {
            moving::judge(facts, &way, exchange, now)
        }),
        Doing::LinkBack => send(link_back::request(&facts), link_back::judge),
        Doing::Assign(account) => send(assign::request(&facts, &account), move |facts, exchange, now| {
            assign::judge(facts, &account, exchange, now)
        }),
        Doing::LookForNote(key) => send(note::look_request(&facts), move |facts, exchange, now| {
            note::judge_look(facts, key, exchange, now)
        }),
        Doing::Note(note) => send(note::request(&facts, &note), move |facts, exchange, now| {
            note::judge(facts, &note, exchange, now)
        }),
    }
}

/// A request whose answer is read with all that is known.
fn send(
    request: Result<Rendered, Failure>,
    judge: impl FnOnce(Facts<'_>, &Exchange, Timestamp) -> Classification + Send + 'static,
) -> Step {
    Step::send(request, |task, exchange, now| {
        judge(Facts::of(task), exchange, now)
    })
}

/// See [`destination::Adapter::preview`].
pub(super) fn preview(task: &Task<'_>) -> Result<Rendered, Box<Classification>> {
    create::request(&Facts::of(task)).map_err(|failure| Box::new(failure.into()))
}

fn tested_already() -> Failure {
    let detail = "the test's ticket may have been made: look for it in Jira, then test again";
    Failure::new(FailureCode::TicketUnknown, detail).with(Disposition::Permanent)
}
