//! Which of several statuses people mean, by what they are called: a ticket whose incident is over was not cancelled. Names are in
//! the language of whoever set the project up, so that they only put in order what categories leave open.

use model::ticket::TicketPhase;

/// How well a name fits, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    /// It says what is meant.
    Good,
    /// It says nearly that.
    Near,
    /// It says nothing that is known.
    Unknown,
    /// It says something else.
    Bad,
}

/// Parts of names of an end that was reached.
const DONE: [&str; 21] = [
    "done",
    "resolve",
    "fixed",
    "solved",
    "complete",
    "finished",
    "erledigt",
    "gelöst",
    "behoben",
    "fertig",
    "abgeschlossen",
    "terminé",
    "résolu",
    "hecho",
    "resuelt",
    "listo",
    "concluí",
    "resolvid",
    "risolto",
    "opgelost",
    "完了",
];
/// Parts of names of an end that nobody can leave, mostly.
const CLOSED: [&str; 8] = [
    "close",
    "geschlossen",
    "fermé",
    "cerrad",
    "fechad",
    "chius",
    "gesloten",
    "クローズ",
];
/// Parts of names of an end without a result.
const WITHOUT_RESULT: [&str; 33] = [
    "cancel",
    "reject",
    "declin",
    "won't",
    "won’t",
    "wont ",
    "will not",
    "not done",
    "not fix",
    "duplic",
    "invalid",
    "obsolete",
    "abandon",
    "withdraw",
    "incomplete",
    "unresolved",
    "discard",
    "denied",
    "abgebrochen",
    "abgelehnt",
    "verworfen",
    "storniert",
    "zurückgezogen",
    "ungelöst",
    "annul",
    "rejet",
    "rechazad",
    "descartad",
    "rifiutat",
    "geannuleerd",
    "afgewezen",
    "キャンセル",
    "却下",
];
/// Parts of names of work that goes on.
const WORK: [&str; 11] = [
    "in progress",
    "working",
    "doing",
    "in arbeit",
    "in bearbeitung",
    "en cours",
    "en curso",
    "em andamento",
    "in corso",
    "bezig",
    "進行中",
];
/// Parts of names of work that rests.
const REST: [&str; 12] = [
    "block", "hold", "wait", "pending", "review", "test", "pause", "wart", "prüfung", "attente", "espera",
    "attesa",
];

/// How well a status's or transition's name fits a phase.
pub(super) fn fit(phase: TicketPhase, name: &str) -> Fit {
    let name = name.to_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    match phase {
        TicketPhase::Done if has(&WITHOUT_RESULT) => Fit::Bad,
        TicketPhase::Done if has(&DONE) => Fit::Good,
        TicketPhase::Done if has(&CLOSED) => Fit::Near,
        TicketPhase::InProgress if has(&REST) => Fit::Bad,
        TicketPhase::InProgress if has(&WORK) => Fit::Good,
        TicketPhase::Done | TicketPhase::InProgress | TicketPhase::New => Fit::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_with_a_result_is_told_from_one_without() {
        let fits = |names: &[&str]| {
            names
                .iter()
                .map(|name| fit(TicketPhase::Done, name))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            fits(&["Done", "Erledigt", "Resolve this issue", "完了"]),
            [Fit::Good; 4]
        );
        assert_eq!(fits(&["Closed", "Geschlossen"]), [Fit::Near; 2]);
        assert_eq!(fits(&["Weggeräumt", ""]), [Fit::Unknown; 2]);
        let without = [
            "Canceled",
            "Cancelled",
            "Won't Do",
            "Abgebrochen",
            "Rejected",
            "Duplicate",
            "Unresolved",
        ];
        assert_eq!(fits(&without), [Fit::Bad; 7]);
    }

    #[test]
    fn work_that_goes_on_is_told_from_work_that_rests() {
        assert_eq!(fit(TicketPhase::InProgress, "In Arbeit"), Fit::Good);
        assert_eq!(fit(TicketPhase::InProgress, "Waiting for customer"), Fit::Bad);
        assert_eq!(fit(TicketPhase::New, "Done"), Fit::Unknown);
    }
}
