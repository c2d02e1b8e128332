//! What a restricted reader is shown of deliveries, as conditions on a delivery `d`. Whatever is about no incident of its services
//! is not shown: tests and operational events.

use model::restriction::Restriction;

/// Where the service of a delivery's incident stands; nowhere if it is about no incident.
pub const SERVICE: &str = "(SELECT i.service_id FROM incidents i WHERE i.id = d.incident_id)";
/// Where the name of a delivery's event stands; nowhere if it is operational.
pub const EVENT: &str =
    "(SELECT e.name FROM events e WHERE e.sequence = d.event_sequence AND e.operational IS NULL)";

/// The services as a value, if the reader is restricted to some.
pub fn services(restriction: &Restriction) -> Option<Vec<Vec<u8>>> {
    let services = restriction.services();
    let ids = || services.iter().map(|id| id.as_bytes().to_vec()).collect();
    (!services.is_empty()).then(ids)
}

/// The names of the events as a value, if the reader is restricted to some.
pub fn events(restriction: &Restriction) -> Option<Vec<&'static str>> {
    restriction.events().map(|_| restriction.event_names())
}
