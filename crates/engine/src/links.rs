//! The links of a message: to the incident, and to what may be done to it.

use url::Url;

use crate::prepared::Prepared;
use destination::task::{ActLink, Links};
use model::action_link::{ActionLink, LINK_KEY, LINK_LIFETIME, offered};
use model::event::Event;
use model::id::WebhookId;
use model::incident::IncidentAction;
use model::operational::OperationalName;
use model::time::Timestamp;

/// The links for an event's message. Without the server's own address nothing leads to a page of it; tokens for buttons
/// are made all the same.
pub fn links(prepared: &Prepared, event: &Event, public_url: Option<&Url>, now: Timestamp) -> Links {
    let base = public_url.map(|url| url.as_str().trim_end_matches('/'));
    let incident = base.map(|base| match (event.is_test, event.operational) {
        // A sample has no page of its own.
        (true, _) => format!("{base}/incidents"),
        (false, Some(name)) => format!("{base}{}", subject_page(name, event)),
        (false, None) => format!("{base}/incidents/{}", event.incident_id),
    });
    let is_offered = prepared.target.option("actions") != "off" && event.operational.is_none();
    let Some(key) = prepared.target.secrets.get(LINK_KEY).filter(|_| is_offered) else {
        return Links {
            incident,
            acts: Vec::new(),
        };
    };
    let status = event.incident().map(|incident| incident.status);
    let webhook_id = prepared.webhook.id;
    let act = |action: &IncidentAction| {
        let link = ActionLink {
            action: *action,
            incident_id: event.incident_id,
            expires_at_seconds: u32::try_from(now.plus(LINK_LIFETIME).as_seconds()).unwrap_or(u32::MAX),
            event_sequence: u32::try_from(event.sequence).unwrap_or_default(),
        };
        let token = link.sign(webhook_id, key);
        ActLink {
            action: *action,
            page: base.map(|base| format!("{base}/act/{webhook_id}/{token}")),
            token,
        }
    };
    Links {
        incident,
        acts: offered(status).iter().map(act).collect(),
    }
}

/// The page of what an operational event is about.
fn subject_page(name: OperationalName, event: &Event) -> String {
    match name {
        OperationalName::WebhookDegraded
        | OperationalName::WebhookRecovered
        | OperationalName::WebhookDisabled
        | OperationalName::DeliveryDead => {
            let id = WebhookId::from_bytes(*event.incident_id.as_bytes());
            format!("/settings/integrations/{id}")
        }
        OperationalName::SourceSilent => "/settings/integrations".to_owned(),
    }
}
