//! The installation: version, store, what waits, whether anything is lost; checking everything, and backups.

use std::borrow::Borrow;
use std::collections::HashMap;

use askama::Template;
use axum::extract::State;

use crate::layout::error::{FieldErrors, PageError, PageResult};
use crate::layout::form::Form;
use crate::layout::show::{self, Markup};
use crate::layout::{Layout, Nav, go, render, render_refused};
use crate::session::UserSession;
use crate::state::WebState;
use actions::ActionError;
use model::id::WebhookId;
use model::time::Timestamp;
use store::deliveries::StateCounts;
use store::upkeep::{Audited, Balance, Examined, Finding, Loss, StoreInfo};

/// How much of an id is shown where the whole would be too much.
const SHORT_ID_LENGTH: usize = 6;

/// The balance of one webhook.
struct BalanceRow {
    webhook_id: WebhookId,
    /// Nothing if it was deleted.
    name: Option<String>,
    balance: Balance,
}

impl BalanceRow {
    fn badge(&self) -> Markup {
        match self.balance.missing() {
            0 => show::badge("success", "Adds up"),
            1.. => show::badge("error", "Missing"),
            _ => show::badge("error", "Too many"),
        }
    }

    /// The end of the id: what tells deleted webhooks apart.
    fn short_id(&self) -> String {
        let id = self.webhook_id.to_string();
        id[id.len() - SHORT_ID_LENGTH..].to_owned()
    }

    fn off_by(&self) -> u64 {
        self.balance.missing().unsigned_abs()
    }
}

/// Whether anything is lost, in one glance.
struct Summary {
    tone: &'static str,
    icon: &'static str,
    title: String,
    sentence: String,
}

#[derive(Template)]
#[template(path = "settings/system.html")]
struct SystemPage {
    layout: Layout,
    version: &'static str,
    info: StoreInfo,
    counts: StateCounts,
    due: Option<Markup>,
    due_name: &'static str,
    verdict: Summary,
    /// What is wrong with the store, as far as it is known without the deep check.
    troubles: Vec<Finding>,
    balance: Vec<BalanceRow>,
    /// Whether the balance was drawn for this page.
    is_balanced: bool,
    /// What the deep check found, if it was asked for.
    findings: Option<Vec<Finding>>,
    /// Where backups are written; nothing if there are none from here.
    backups: Option<String>,
    backup_name: String,
    errors: FieldErrors,
}

impl SystemPage {
    /// With what the deep check came to, if there was one.
    async fn load(
        state: &WebState,
        session: &UserSession,
        examined: Option<Examined>,
    ) -> Result<Self, PageError> {
        let now = session.context.now;
        let counts = state.store.deliveries.counts().await?;
        let (balance, findings) = match examined {
            Some(examined) => (Some(examined.balances), Some(examined.findings)),
            None => (state.store.upkeep.balance_at_once().await?, None),
        };
        let health = state.store.overview.webhook_health().await?;
        let names = health.into_iter().map(|(id, health)| (id, health.name)).collect();
        let backups = state.settings.backup_directory.as_ref();
        Ok(Self {
            layout: Layout::new(session, "System", Nav::System),
            version: env!("CARGO_PKG_VERSION"),
            info: state.store.upkeep.info().await?,
            due: counts.oldest_due_at.map(|at| show::when(at, now)),
            due_name: due_name(counts.oldest_due_at, now),
            counts,
            verdict: verdict(balance.as_deref(), state.store.upkeep.loss(), (state.audited)()),
            troubles: state.store.upkeep.troubles(),
            is_balanced: balance.is_some(),
            balance: rows_of(balance.unwrap_or_default(), names),
            findings,
            backups: backups.map(|folder| folder.display().to_string()),
            backup_name: backup_name(now),
            errors: FieldErrors::default(),
        })
    }

    fn size(&self) -> String {
        show::bytes(self.info.size_bytes)
    }

    fn log_size(&self) -> String {
        show::bytes(self.info.wal_bytes)
    }

    fn free(&self) -> String {
        show::bytes(self.info.free_bytes)
    }

    /// Templates pass fields by reference and results by value.
    fn number(number: impl Borrow<u64>) -> String {
        show::count(*number.borrow())
    }

    fn counted(number: impl Borrow<u64>) -> String {
        show::counted(*number.borrow())
    }
}

/// Every webhook's balance, those that are off first, then by name, deleted webhooks last.
fn rows_of(balance: Vec<Balance>, mut names: HashMap<WebhookId, String>) -> Vec<BalanceRow> {
    let mut rows: Vec<_> = balance
        .into_iter()
        .map(|balance| BalanceRow {
            webhook_id: balance.webhook_id,
            name: names.remove(&balance.webhook_id),
            balance,
        })
        .collect();
    let lower = |name: &Option<String>| name.as_ref().map(|name| name.to_lowercase());
    rows.sort_by_cached_key(|row| (row.off_by() == 0, row.name.is_none(), lower(&row.name)));
    rows
}

/// Claims what can be known: the count lies in the database, and only the mark beside it tells of a database that was put
/// back as a whole.
fn verdict(balance: Option<&[Balance]>, loss: Loss, audited: Option<Audited>) -> Summary {
    if !loss.is_nothing() {
        return Summary {
            tone: "bad",
            icon: "alert",
            title: "The database lacks what was committed".to_owned(),
            sentence:
                "It is behind the high-water mark beside it. What is missing, and what to do, stands below."
                    .to_owned(),
        };
    }
    let Some(balance) = balance else {
        return verdict_of_audit(audited);
    };
    let off: u64 = balance
        .iter()
        .map(|balance| balance.missing().unsigned_abs())
        .sum();
    let accepted: u64 = balance.iter().map(|balance| balance.accepted).sum();
    if off > 0 {
        return off_by(off);
    }
    let sentence = match accepted {
        0 => "No delivery was accepted yet.".to_owned(),
        1 => "The one delivery that the database counts as accepted is in it.".to_owned(),
        _ => format!(
            "All {} that the database counts as accepted are in it, and it is not behind its high-water mark.",
            deliveries_in_words(accepted)
        ),
    };
    Summary {
        tone: "fine",
        icon: "shield",
        title: "Everything adds up".to_owned(),
        sentence,
    }
}

/// Of more deliveries than are counted for a page: what the server came to by itself.
fn verdict_of_audit(audited: Option<Audited>) -> Summary {
    if let Some(Audited { off, .. }) = audited
        && off != 0
    {
        return off_by(off.unsigned_abs());
    }
    Summary {
        tone: "fine",
        icon: "shield",
        title: "Nothing is known to be missing".to_owned(),
        sentence: "The database is not behind its high-water mark. There are too many deliveries to count for this page: the \
                   server that leads counts them by itself, which takes a hundredth of its time (opsknight_balance_missing), \
                   and Check everything counts them now."
            .to_owned(),
    }
}

fn off_by(count: u64) -> Summary {
    Summary {
        tone: "bad",
        icon: "alert",
        title: format!("{} do not add up", deliveries_in_words(count)),
        sentence: "What was accepted is not all there. Check everything, keep the data directory as it is, and look at the \
                   server's log."
            .to_owned(),
    }
}

fn deliveries_in_words(count: u64) -> String {
    match count {
        1 => "1 delivery".to_owned(),
        _ => format!("{} deliveries", show::count(count)),
    }
}

/// What the time is called at which the first scheduled delivery is due.
fn due_name(due_at: Option<Timestamp>, now: Timestamp) -> &'static str {
    match due_at {
        Some(due_at) if due_at > now => "Next is due",
        Some(_) | None => "Oldest due",
    }
}

/// A name for a backup made now: `backup-2026-01-05-1200.db`.
fn backup_name(now: Timestamp) -> String {
    let text = now.to_rfc3339_seconds();
    let (date, time) = text.split_once('T').unwrap_or((&text, ""));
    let minutes: String = time.split(':').take(2).collect();
    format!("backup-{date}-{minutes}.db")
}

/// `GET /settings/system`
pub async fn page(State(state): State<WebState>, session: UserSession) -> PageResult {
    render(&SystemPage::load(&state, &session, None).await?)
}

/// `POST /settings/system/check`: it changes nothing, but takes its time.
pub async fn check(State(state): State<WebState>, session: UserSession) -> PageResult {
    let Some(deep_check) = state.actions.deep_check() else {
        return Err(PageError::too_many("everything is being checked already"));
    };
    let examined = deep_check.run_awaited().await?;
    render(&SystemPage::load(&state, &session, Some(examined)).await?)
}

/// `POST /settings/system/backup`
pub async fn back_up(State(state): State<WebState>, session: UserSession, form: Form) -> PageResult {
    let Some(folder) = &state.settings.backup_directory else {
        let sentence = "this server has no folder of backups; use the database's own tools, such as pg_dump";
        return Err(ActionError::Conflict(sentence.to_owned()).into());
    };
    let name = form.text("name");
    let Err(error) = state.actions.back_up(session.actor(), folder, name).await else {
        return go("/settings/system", "backed-up");
    };
    let errors = FieldErrors::of(error)?;
    let mut page = SystemPage::load(&state, &session, None).await?;
    page.errors = errors;
    page.backup_name = name.to_owned();
    render_refused(&page)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balance(accepted: u64, delivered: u64) -> Balance {
        Balance {
            webhook_id: WebhookId::from_bytes([1; 16]),
            accepted,
            pruned: 1,
            delivered,
            open: 1,
            dead: 1,
            superseded: 0,
            expired: 0,
        }
    }

    #[test]
    fn one_webhook_with_too_many_does_not_hide_another_that_misses_one() {
        let missing = balance(10, 6);
        let too_many = balance(10, 8);
        let nothing = Loss::default();
        assert_eq!(
            verdict(Some(&[missing, too_many]), nothing, None).title,
            "2 deliveries do not add up"
        );
        let fine = verdict(Some(&[balance(10, 7)]), nothing, None);
        assert_eq!((fine.tone, fine.title.as_str()), ("fine", "Everything adds up"));
    }

    #[test]
    fn a_database_behind_its_mark_is_not_called_fine_because_it_adds_up() {
        let loss = Loss {
            events: 1,
            deliveries: 0,
        };
        assert_eq!(verdict(Some(&[balance(10, 7)]), loss, None).tone, "bad");
        assert_eq!(verdict(None, loss, None).tone, "bad");
    }

    #[test]
    fn what_the_server_found_missing_by_itself_is_told_where_nothing_is_counted() {
        let verdict_of = |off| {
            let at = Timestamp::EPOCH;
            verdict(None, Loss::default(), Some(Audited { off, at })).title
        };
        assert_eq!(verdict_of(2), "2 deliveries do not add up");
        assert_eq!(verdict_of(0), "Nothing is known to be missing");
    }

    #[test]
    fn what_is_off_stands_first() {
        let mut off = balance(10, 6);
        off.webhook_id = WebhookId::from_bytes([2; 16]);
        let rows = rows_of(vec![balance(10, 7), off], HashMap::new());
        assert_eq!((rows[0].off_by(), rows[1].off_by()), (1, 0));
    }

    #[test]
    fn a_backup_is_named_after_the_minute() {
        let now = "2026-01-05T12:00:59Z".parse().unwrap();
        assert_eq!(backup_name(now), "backup-2026-01-05-1200.db");
    }
}
