//! Moving everything from one store into another: which tables there are and in which order they go, what becomes of a row on
//! the way, and how both sides are compared. Pure but for the sealer's nonces; backends read and write the rows.

use async_trait::async_trait;
use zeroize::Zeroizing;

use crate::StoreError;
use crate::StoreResult;
use crate::seal::{SealError, Sealer};
use crate::sealed::{inbox_place, receipt_place, second_factor_place, source_place, webhook_place};
use model::digest::sha256;
use model::id::{InboxId, SourceId, UserId, WebhookId};

/// A table, and what orders its rows: alike in every store.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    pub name: &'static str,
    pub key: &'static [&'static str],
    /// Columns that are sealed for their place.
    sealed: &'static [&'static str],
}

impl Table {
    const fn new(name: &'static str, key: &'static [&'static str]) -> Self {
        Self {
            name,
            key,
            sealed: &[],
        }
    }
}

/// Every table that is moved, each behind those that its rows refer to.
pub static TABLES: [Table; 32] = [
    Table::new("policies", &["id"]),
    Table::new("users", &["id"]),
    Table::new("policy_steps", &["policy_id", "position"]),
    Table::new("services", &["id"]),
    // Before the incidents: PostgreSQL numbers those that come without a number.
    Table::new("incident_numbers", &["number"]),
    Table::new("incidents", &["id"]),
    Table::new("events", &["sequence"]),
    Table::new("notes", &["incident_id", "id"]),
    Table {
        name: "webhooks",
        key: &["id"],
        sealed: &[
            "secret",
            "previous_secret",
            "headers",
            "identity_pem",
            "secret_options",
        ],
    },
    Table::new("ledger", &["webhook_id"]),
    Table::new("receiver_links", &["id"]),
    Table::new("deliveries", &["id"]),
    Table::new("attempts", &["delivery_id", "id"]),
    Table::new("api_keys", &["id"]),
    Table::new("audit", &["id"]),
    Table {
        name: "receipts",
        key: &["owner", "key"],
        sealed: &["answer"],
    },
    Table::new("sign_in_links", &["hash"]),
    Table::new("sessions", &["id"]),
    Table::new("identities", &["issuer", "subject"]),
    Table {
        name: "second_factors",
        key: &["user_id"],
        sealed: &["secret"],
    },
    Table::new("recovery_codes", &["hash"]),
    Table::new("passkeys", &["id"]),
    Table {
        name: "inboxes",
        key: &["id"],
        sealed: &["secret"],
    },
    Table::new("inbox_requests", &["inbox_id", "id"]),
    Table {
        name: "sources",
        key: &["id"],
        sealed: &["key", "secret"],
    },
    Table::new("source_alerts", &["source_id", "key"]),
    Table::new("source_requests", &["source_id", "id"]),
    Table::new("activity", &["period_at", "webhook_id"]),
    Table::new("insight_changes", &["id", "part"]),
    Table::new("insight_days", &["day_at", "service_id"]),
    Table::new("memories", &["webhook_id", "incident_id"]),
    Table::new("ticket_links", &["webhook_id", "incident_id"]),
];
/// Tables that are a store's own, or hold what matters for minutes.
pub const NOT_MOVED: [&str; 6] = [
    "budgets",
    "migrations",
    "nodes",
    "operational_notices",
    "probes",
    "transfer",
];

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    Number,
    Boolean,
    Bytes,
    Text,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub kind: ColumnKind,
}

/// A value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Null,
    Number(i64),
    Boolean(bool),
    Bytes(Vec<u8>),
    Text(String),
}

/// A table with the columns that are moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    pub table: &'static Table,
    pub columns: Vec<Column>,
}

/// A row: a value for each column.
pub type Row = Vec<Value>;

/// A store whose rows can be read in the order of their keys.
#[async_trait]
pub trait Rows: Send + Sync {
    /// The next rows, behind a key, at most so many.
    async fn rows_after(&self, layout: &Layout, key: Option<&[Value]>, limit: u32) -> StoreResult<Vec<Row>>;

    /// How many rows a table has.
    async fn count_rows(&self, table: &'static Table) -> StoreResult<u64>;
}

/// What had to be changed on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Changes {
    /// Deliveries that were in a node's hand and are scheduled again.
    pub released: u64,
    /// Texts with characters that the other store cannot hold.
    pub replaced: u64,
    /// Secrets that were sealed anew under the other store's master key.
    pub resealed: u64,
    /// Sealed values that open under no key at hand, and were carried over as they are.
    pub unreadable: u64,
}

impl Layout {
    /// The place of a column, if it is there.
    pub fn place_of(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// What orders a row among the others.
    pub fn key_of(&self, row: &[Value]) -> Vec<Value> {
        let places = self.table.key.iter().filter_map(|name| self.place_of(name));
        places.filter_map(|place| row.get(place).cloned()).collect()
    }

    /// Makes a row what the other store can hold, whichever it is: the same on every run.
    pub fn adapt(&self, row: &mut Row, changes: &mut Changes) {
        if self.table.name == "deliveries" {
            changes.released += u64::from(self.release(row));
        }
        let has_json = self.table.name == "ticket_links";
        for value in row.iter_mut() {
            let Value::Text(text) = value else { continue };
            let mut adapted = text.replace('\0', "\u{fffd}");
            if has_json {
                adapted = without_nul_escapes(&adapted);
            }
            if adapted != *text {
                *text = adapted;
                changes.replaced += 1;
            }
        }
    }

    /// A delivery in a node's hand is scheduled: that node is gone.
    fn release(&self, row: &mut Row) -> bool {
        let places = ["state", "node", "claim"].map(|name| self.place_of(name));
        let [Some(state), Some(node), Some(claim)] = places else {
            return false;
        };
        if row[state] != Value::Text("claimed".into()) {
            return false;
        }
        row[state] = Value::Text("scheduled".into());
        row[node] = Value::Null;
        row[claim] = Value::Null;
        true
    }

    /// The sealed values of a row: where each stands, and for which place it is sealed.
    fn sealed_values(&self, row: &[Value]) -> Vec<(usize, String)> {
        let sealed = self.table.sealed.iter();
        let found = sealed.filter_map(|name| {
            let at = self.place_of(name)?;
            matches!(row[at], Value::Bytes(_)).then_some(())?;
            Some((at, self.sealing_place(row, name)?))
        });
        found.collect()
    }

    fn sealing_place(&self, row: &[Value], column: &str) -> Option<String> {
        let key = self.key_of(row);
        match (self.table.name, key.as_slice()) {
            ("webhooks", [Value::Bytes(id)]) => {
                let id = WebhookId::from_bytes(id.as_slice().try_into().ok()?);
                Some(webhook_place(id, column))
            }
            ("inboxes", [Value::Bytes(id)]) => {
                let id = InboxId::from_bytes(id.as_slice().try_into().ok()?);
                Some(inbox_place(id, column))
            }
            ("second_factors", [Value::Bytes(id)]) => {
                let id = UserId::from_bytes(id.as_slice().try_into().ok()?);
                Some(second_factor_place(id))
            }
            ("sources", [Value::Bytes(id)]) => {
                let id = SourceId::from_bytes(id.as_slice().try_into().ok()?);
                Some(source_place(id, column))
            }
            ("receipts", [Value::Text(owner), Value::Text(key)]) => Some(receipt_place(owner, key)),
            _ => None,
        }
    }

    /// Seals what is sealed under another key than the target's. What cannot be opened is carried over as it is, unless it is
    /// a secret whose key is merely not at hand.
    pub fn reseal(
        &self,
        row: &mut Row,
        source: &Sealer,
        target: &Sealer,
        changes: &mut Changes,
    ) -> StoreResult<()> {
        for (at, place) in self.sealed_values(row) {
            let Value::Bytes(sealed) = &mut row[at] else {
                continue;
            };
            if target.open(place.as_bytes(), sealed).is_ok() {
                continue;
            }
            match source.open(place.as_bytes(), sealed) {
                Ok(plain) => {
                    *sealed = target.seal(place.as_bytes(), &plain);
                    changes.resealed += 1;
                }
                Err(error @ SealError::UnknownKey(_)) if self.table.name != "receipts" => {
                    return Err(StoreError::Conflict(error.to_string()));
                }
                Err(SealError::UnknownKey(_) | SealError::Damaged) => changes.unreadable += 1,
            }
        }
        Ok(())
    }
}

/// `\u0000` within a JSON text is a character that PostgreSQL's JSON cannot hold.
fn without_nul_escapes(json: &str) -> String {
    let mut adapted = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        adapted.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = rest.chars().take(2).map(char::len_utf8).sum();
        let (escape, after) = rest.split_at(length);
        match after.strip_prefix("0000").filter(|_| escape == "\\u") {
            Some(after) => {
                adapted.push_str("\\ufffd");
                rest = after;
            }
            None => {
                adapted.push_str(escape);
                rest = after;
            }
        }
    }
    adapted.push_str(rest);
    adapted
}

/// What a table holds, in short: how many rows, and a digest of all of them in the order of their keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TableDigest {
    pub rows: u64,
    pub digest: [u8; 32],
}

impl TableDigest {
    /// Takes in one more row. Of what is sealed counts what opens: the same is sealed differently each time.
    pub fn add(&mut self, layout: &Layout, row: &[Value], sealers: &[&Sealer]) {
        let sealed = layout.sealed_values(row);
        let mut text = Zeroizing::new(Vec::new());
        for (at, value) in row.iter().enumerate() {
            let place = sealed.iter().find(|(sealed_at, _)| *sealed_at == at);
            match (value, place) {
                (Value::Bytes(bytes), Some((_, place))) => {
                    let mut opened = sealers.iter().map(|sealer| sealer.open(place.as_bytes(), bytes));
                    match opened.find_map(Result::ok) {
                        Some(plain) => put(&mut text, b's', &plain),
                        None => put(&mut text, b'b', bytes),
                    }
                }
                (Value::Null, _) => put(&mut text, b'0', &[]),
                (Value::Number(number), _) => put(&mut text, b'n', &number.to_be_bytes()),
                (Value::Boolean(is_true), _) => put(&mut text, b'n', &i64::from(*is_true).to_be_bytes()),
                (Value::Bytes(bytes), None) => put(&mut text, b'b', bytes),
                (Value::Text(value), _) => put(&mut text, b't', value.as_bytes()),
            }
        }
        self.rows += 1;
        self.digest = sha256([&self.digest, &text]);
    }
}

/// Appends a value so that no two rows read alike.
fn put(text: &mut Vec<u8>, kind: u8, bytes: &[u8]) {
    text.push(kind);
    text.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
    text.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::MasterKey;

    fn layout(name: &str, columns: &[(&str, ColumnKind)]) -> Layout {
        Layout {
            table: TABLES.iter().find(|table| table.name == name).unwrap(),
            columns: columns
                .iter()
                .map(|(name, kind)| Column {
                    name: (*name).into(),
                    kind: *kind,
                })
                .collect(),
        }
    }

    fn sealer(byte: u8) -> Sealer {
        Sealer::new(&MasterKey::new([byte; 32]), None)
    }

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    #[test]
    fn a_claimed_delivery_is_scheduled_and_every_other_one_stays() {
        let layout = layout(
            "deliveries",
            &[
                ("state", ColumnKind::Text),
                ("node", ColumnKind::Number),
                ("claim", ColumnKind::Number),
            ],
        );
        let mut changes = Changes::default();
        let mut claimed = vec![text("claimed"), Value::Number(1), Value::Number(2)];
        layout.adapt(&mut claimed, &mut changes);
        assert_eq!(claimed, [text("scheduled"), Value::Null, Value::Null]);
        let mut dead = vec![text("dead"), Value::Null, Value::Null];
        layout.adapt(&mut dead, &mut changes);
        assert_eq!(dead[0], text("dead"));
        assert_eq!(changes.released, 1);
    }

    #[test]
    fn what_postgresql_cannot_hold_is_replaced_and_counted() {
        let columns = [("state", ColumnKind::Text)];
        for (table, before, after) in [
            ("notes", "a\0b", "a\u{fffd}b"),
            ("notes", r"a\u0000b", r"a\u0000b"),
            ("ticket_links", r#"{"a":"x\u0000y"}"#, r#"{"a":"x\ufffdy"}"#),
            ("ticket_links", r#"{"a":"x\\u0000"}"#, r#"{"a":"x\\u0000"}"#),
            ("ticket_links", r#"{"a":"x\\\u0000"}"#, r#"{"a":"x\\\ufffd"}"#),
            ("ticket_links", r#"{"a":"\n\u00e4ä\"}"#, r#"{"a":"\n\u00e4ä\"}"#),
        ] {
            let mut changes = Changes::default();
            let mut row = vec![text(before)];
            layout(table, &columns).adapt(&mut row, &mut changes);
            assert_eq!(row, [text(after)]);
            assert_eq!(changes.replaced, u64::from(before != after), "{before}");
        }
    }

    #[test]
    fn sealed_values_are_sealed_anew_only_under_another_key_and_compare_alike() {
        let layout = layout(
            "webhooks",
            &[("id", ColumnKind::Bytes), ("secret", ColumnKind::Bytes)],
        );
        let (old, new) = (sealer(1), sealer(2));
        let place = webhook_place(WebhookId::from_bytes([7; 16]), "secret");
        let row = vec![
            Value::Bytes(vec![7; 16]),
            Value::Bytes(old.seal(place.as_bytes(), b"hush")),
        ];
        let (mut carried, mut resealed) = (row.clone(), row.clone());
        let mut changes = Changes::default();
        layout.reseal(&mut carried, &old, &old, &mut changes).unwrap();
        assert_eq!((&carried, changes), (&row, Changes::default()));
        layout.reseal(&mut resealed, &old, &new, &mut changes).unwrap();
        assert_eq!(changes.resealed, 1);
        let digest = |row: &Row, sealer: &Sealer| {
            let mut digest = TableDigest::default();
            digest.add(&layout, row, &[sealer]);
            digest
        };
        assert_eq!(digest(&row, &old), digest(&resealed, &new));
        assert_ne!(digest(&row, &old), digest(&resealed, &old));
        let unknown = layout.reseal(&mut row.clone(), &sealer(3), &new, &mut changes);
        assert!(matches!(unknown, Err(StoreError::Conflict(_))), "{unknown:?}");
        let mut damaged = vec![row[0].clone(), Value::Bytes(vec![0])];
        layout.reseal(&mut damaged, &old, &new, &mut changes).unwrap();
        assert_eq!(changes.unreadable, 1);
    }

    #[test]
    fn a_digest_tells_rows_apart_by_value_place_and_order() {
        let layout = layout(
            "notes",
            &[("actor", ColumnKind::Text), ("sentence", ColumnKind::Text)],
        );
        let digest = |rows: &[[&str; 2]]| {
            let mut digest = TableDigest::default();
            for row in rows {
                digest.add(&layout, &row.map(text), &[&sealer(1)]);
            }
            digest
        };
        let all = [
            digest(&[]),
            digest(&[["a", "b"]]),
            digest(&[["ab", ""]]),
            digest(&[["a", "b"], ["c", "d"]]),
            digest(&[["c", "d"], ["a", "b"]]),
        ];
        for (number, one) in all.iter().enumerate() {
            assert!(all[number + 1..].iter().all(|other| other != one), "{number}");
        }
    }
}
