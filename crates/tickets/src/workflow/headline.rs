//! An incident's title and severity, which a ticket follows if the settings say so.

use crate::workflow::next::Inputs;
use crate::workflow::state::{Chore, TicketState};
use destination::about::{Field, Input};
use destination::task::Task;
use model::digest::sha256;
use model::event::Event;
use model::incident::Headline;
use model::ticket::HEADLINE_OPTION;

/// How many bytes of the hash are kept.
const DIGEST_BYTES: usize = 8;

/// The field of the form.
pub(crate) const FIELD: Field = Field {
    name: HEADLINE_OPTION,
    label: "Title and severity",
    hint: "Whether changes of the incident's title and severity reach the ticket. What people wrote into its title is replaced then.",
    input: Input::Choice(&[("off", "Stay as they were"), ("on", "Follow the incident")]),
    default: "off",
    ..Field::LINE
};

/// What an incident is called now, and how bad it is; as its event says if nobody knows better.
fn of(task: &Task<'_>) -> Option<Headline> {
    let known = task.incident_context.and_then(|context| context.headline.clone());
    known.or_else(|| {
        let incident = task.event.incident()?;
        Some(Headline {
            title: incident.title,
            severity: incident.severity,
        })
    })
}

/// What tells one title and severity from others: as they are now.
pub(crate) fn digest(task: &Task<'_>) -> Option<String> {
    hashed(&of(task)?)
}

fn hashed(headline: &Headline) -> Option<String> {
    let hash = sha256([
        headline.severity.as_str().as_bytes(),
        b"\n",
        headline.title.as_bytes(),
    ]);
    Some(hex::encode(hash.get(..DIGEST_BYTES)?))
}

/// What a ticket was told of which that is not on record: what its event says.
fn of_event(task: &Task<'_>) -> Option<String> {
    let incident = task.event.incident()?;
    hashed(&Headline {
        title: incident.title,
        severity: incident.severity,
    })
}

/// Which of the requests is next that tell the ticket: all of them tell the same.
pub(crate) fn part(state: &TicketState, inputs: &Inputs<'_>) -> usize {
    match state.delivery.headline == digest(&inputs.task) {
        true => state.delivery.headline_parts,
        false => 0,
    }
}

/// The event as it would be told had its incident been called so then; nothing if it was.
pub(crate) fn renewed(task: &Task<'_>) -> Option<Event> {
    let headline = of(task)?;
    let mut incident = task.event.incident()?;
    if (&incident.title, incident.severity) == (&headline.title, headline.severity) {
        return None;
    }
    incident.title = headline.title;
    incident.severity = headline.severity;
    let event = task.event;
    let renewed = Event::new(event.id, event.name, &incident, event.actor.clone(), event.at);
    Some(Event {
        sequence: event.sequence,
        is_test: event.is_test,
        ..renewed
    })
}

/// Whether the ticket has to be told.
pub(crate) fn is_news(state: &TicketState, inputs: &Inputs<'_>) -> bool {
    let is_wanted = inputs.task.target.option(HEADLINE_OPTION) == "on";
    let told = match (&state.told.headline, state.delivery.is_fresh) {
        (Some(told), _) => Some(told.clone()),
        // A program of before has just made it, and did not note with what.
        (None, true) => return false,
        (None, false) => of_event(&inputs.task),
    };
    is_wanted && !state.delivery.has_given_up(Chore::Headline) && told != digest(&inputs.task)
}
