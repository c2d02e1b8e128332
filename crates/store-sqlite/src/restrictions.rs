//! What a restricted reader is shown of deliveries, as conditions on a delivery `d`. Whatever is about no incident of its services
//! is not shown: tests and operational events.

use rusqlite::types::Value;

use model::restriction::Restriction;

use super::statements::marks;

/// The conditions, each behind an `AND`; their values are added to those of the statement.
pub fn of_delivery(restriction: &Restriction, values: &mut Vec<Value>) -> String {
    let mut conditions = String::new();
    let services = restriction.services();
    if !services.is_empty() {
        conditions.push_str(&format!(
            " AND (SELECT i.service_id FROM incidents i WHERE i.id = d.incident_id) IN ({})",
            marks(services.len())
        ));
        values.extend(services.iter().map(|id| Value::Blob(id.as_bytes().to_vec())));
    }
    if restriction.events().is_some() {
        let events = restriction.event_names();
        conditions.push_str(&format!(
            " AND (SELECT e.name FROM events e WHERE e.sequence = d.event_sequence AND e.operational IS NULL) IN ({})",
            marks(events.len())
        ));
        values.extend(events.into_iter().map(|name| Value::Text(name.to_owned())));
    }
    conditions
}
