//! What a ticket is told in comments, each with a key by which it is found again: no system knows a repetition.

use crate::workflow::action::Comment;
use crate::workflow::next::{Inputs, Notes};
use crate::workflow::state::{Name, TicketState};
use crate::workflow::system::Capabilities;
use destination::about::{Field, Input};
use destination::card::Card;
use destination::text::{Unit, cut, one_line};
use model::event::EventName;
use model::ticket::{WRITTEN_NOTES_OPTION, WrittenNote};

/// The field of the form.
pub(crate) const WRITTEN_NOTES: Field = Field {
    name: WRITTEN_NOTES_OPTION,
    label: "Notes of people",
    hint: "Whether notes that people write on the incident become comments of the ticket.",
    input: Input::Choice(&[("off", "Stay on the incident"), ("on", "Become comments")]),
    default: "off",
    ..Field::LINE
};

/// What stands before the key of a comment of ours.
pub(crate) const KEY_START: &str = "(OpsKnight ";
/// The longest name in a comment, in characters.
const MAX_NAME: usize = 100;
/// The longest note of a person in a comment, in characters.
const MAX_NOTE: usize = 3000;
/// What stands before the id in the key of what somebody wrote.
const NOTE_KEY_START: &str = "note/";
/// The longest link in a comment, in bytes.
const MAX_LINK_BYTES: usize = 500;
/// What stands before a comment that may be there already.
const MAY_REPEAT: &str = "(This note may stand here twice: whether it arrived could not be read.)\n";

/// A key as it stands in a comment.
pub(crate) fn mark(key: &str) -> String {
    format!("{KEY_START}{key})")
}

/// The comment that is to be written now: of the event, or else of what somebody wrote on the incident.
pub(crate) fn due(state: &TicketState, inputs: &Inputs<'_>) -> Option<Comment> {
    due_of_event(state, inputs).or_else(|| due_of_note(state, inputs))
}

/// One that tells of an event tells who has the incident too, if that is news.
fn due_of_event(state: &TicketState, inputs: &Inputs<'_>) -> Option<Comment> {
    let event = inputs.task.event;
    let is_wanted = match inputs.notes() {
        Notes::Off => return None,
        Notes::Escalations => event.name == EventName::Escalated,
        Notes::All => true,
    };
    let event_id = event.id.to_string();
    // Whoever has just made the ticket has told it everything; an event that was told to its end is told again for something else.
    let was_told = state.told.event.as_ref() == Some(&event_id);
    let tells_event = is_wanted && !state.delivery.is_fresh && !was_told;
    let told = state.told.assignee.as_ref();
    let is_new_assignee = told.is_some_and(|told| *told != inputs.assignee_id());
    let assignee = inputs.assignee();
    let who = assignee.as_ref().map(|user| {
        let name = cut(&one_line(&user.name), MAX_NAME, Unit::Characters);
        format!("{} has it now.", (inputs.capabilities.escape)(&name))
    });
    let is_escalated = event.name == EventName::Escalated;
    let (key, text) = if tells_event {
        let who = match who.filter(|_| is_escalated || is_new_assignee) {
            None if is_escalated => Some("Nobody has it yet.".to_owned()),
            who => who,
        };
        (event_id, of_event(inputs, who)?)
    } else {
        let user = assignee.filter(|_| is_new_assignee)?;
        (format!("{event_id}/{}", user.id), who?)
    };
    let is_noted = state.delivery.noted.contains(&key);
    (!is_noted).then(|| comment(inputs.capabilities, key, &text, state.delivery.may_repeat))
}

/// The first of what people wrote that the ticket was not told.
fn due_of_note(state: &TicketState, inputs: &Inputs<'_>) -> Option<Comment> {
    let task = &inputs.task;
    if task.target.option(WRITTEN_NOTES_OPTION) != "on" {
        return None;
    }
    let untold = |note: &&WrittenNote| {
        let id = note.id.to_string();
        !state.told.notes.contains(&id) && !state.delivery.noted.contains(&note_key(&id))
    };
    let note = task.incident_context?.notes.iter().find(untold)?;
    let escape = inputs.capabilities.escape;
    let author = cut(&one_line(&note.author), MAX_NAME, Unit::Characters);
    let said = cut(&note.text, MAX_NOTE, Unit::Characters);
    let text = format!("{} wrote:\n{}", escape(&author), escape(&said));
    let key = note_key(&note.id.to_string());
    Some(comment(
        inputs.capabilities,
        key,
        &text,
        state.delivery.may_repeat,
    ))
}

fn note_key(id: &str) -> String {
    format!("{NOTE_KEY_START}{id}")
}

/// What a ticket has been told of the latest notes once a comment with this key is written, or will not be.
pub(crate) fn told_notes(state: &TicketState, inputs: &Inputs<'_>, key: &str) -> Vec<String> {
    let mut told = state.told.notes.clone();
    if let Some(context) = inputs.task.incident_context {
        told.retain(|id| context.notes.iter().any(|note| note.id.to_string() == *id));
    }
    told.extend(key.strip_prefix(NOTE_KEY_START).map(str::to_owned));
    told
}

fn of_event(inputs: &Inputs<'_>, who: Option<String>) -> Option<String> {
    let card = Card::new(&inputs.task).ok()?.cut(MAX_NAME, MAX_NAME);
    let happened = format!("{}.", (inputs.capabilities.escape)(&card.happened_by()));
    let sentences: Vec<String> = [Some(happened), who].into_iter().flatten().collect();
    let link = card
        .link
        .filter(|link| !inputs.capabilities.links_back && link.len() <= MAX_LINK_BYTES);
    let lines = [Some(sentences.join(" ")), link];
    Some(lines.into_iter().flatten().collect::<Vec<_>>().join("\n"))
}

fn comment(capabilities: Capabilities, key: String, text: &str, may_repeat: bool) -> Comment {
    let remark = if may_repeat { MAY_REPEAT } else { "" };
    let text = format!("{remark}{text}{}{}", capabilities.comment_break, mark(&key));
    Comment { key, text }
}

/// What a ticket that was made twice is told before it is closed.
pub(crate) fn of_duplicate(capabilities: Capabilities, keep: &Name) -> Comment {
    let text = format!(
        "This ticket was made twice; {} stays.",
        (capabilities.escape)(&keep.key)
    );
    comment(capabilities, format!("duplicate of {}", keep.key), &text, false)
}
