//! Finds ids by what people write: a whole id, the beginning of one, or a name. A whole id costs no request.

use serde_json::Value;

use model::time::Timestamp;

use super::client::{Query, segment};
use super::failure::Failure;
use super::output::text;
use super::session::Session;
use super::table::is_id;

/// How many hexadecimal digits of an id tell when it was made, to the millisecond.
const TIME_DIGITS: usize = 12;
/// With fewer of them too many ids begin so.
const MIN_TIME_DIGITS: usize = 8;
/// The most pages that are read to find the one id that begins so.
const MAX_PAGES: usize = 10;
/// The most names that a refusal lists.
const MAX_NAMES: usize = 10;

/// Something that has a name and of which all can be listed.
struct Named {
    what: &'static str,
    prefix: &'static str,
    path: &'static str,
    command: &'static str,
}

/// Something of which there are many, listed by the time at which it was made.
struct Dated {
    what: &'static str,
    prefix: &'static str,
    path: &'static str,
}

const WEBHOOK: Named = Named {
    what: "webhook",
    prefix: "whk_",
    path: "/api/v1/webhooks",
    command: "webhooks",
};
const SERVICE: Named = Named {
    what: "service",
    prefix: "svc_",
    path: "/api/v1/services",
    command: "services",
};
const USER: Named = Named {
    what: "user",
    prefix: "usr_",
    path: "/api/v1/users",
    command: "users",
};
const POLICY: Named = Named {
    what: "escalation policy",
    prefix: "pol_",
    path: "/api/v1/escalation-policies",
    command: "policies",
};
const KEY: Named = Named {
    what: "API key",
    prefix: "key_",
    path: "/api/v1/api-keys",
    command: "keys",
};
const SOURCE: Named = Named {
    what: "alert source",
    prefix: "src_",
    path: "/api/v1/sources",
    command: "sources",
};
const RECEIVER_LINK: Named = Named {
    what: "link",
    prefix: "rlk_",
    path: "",
    command: "webhooks receiver-links",
};
const DELIVERY: Dated = Dated {
    what: "delivery",
    prefix: "dlv_",
    path: "/api/v1/deliveries",
};
const INCIDENT: Dated = Dated {
    what: "incident",
    prefix: "inc_",
    path: "/api/v1/incidents",
};

impl Session {
    /// The path of a webhook.
    pub fn webhook_path(&self, written: &str) -> Result<String, Failure> {
        self.path_of(&WEBHOOK, written)
    }

    /// The path of an alert source.
    pub fn source_path(&self, written: &str) -> Result<String, Failure> {
        self.path_of(&SOURCE, written)
    }

    /// The path of an API key.
    pub fn key_path(&self, written: &str) -> Result<String, Failure> {
        self.path_of(&KEY, written)
    }

    /// The path of a user.
    pub fn user_path(&self, written: &str) -> Result<String, Failure> {
        self.path_of(&USER, written)
    }

    /// The path of an escalation policy.
    pub fn policy_path(&self, written: &str) -> Result<String, Failure> {
        self.path_of(&POLICY, written)
    }

    /// The path of a service.
    pub fn service_path(&self, written: &str) -> Result<String, Failure> {
        self.path_of(&SERVICE, written)
    }

    /// The id of a webhook.
    pub fn webhook_id(&self, written: &str) -> Result<String, Failure> {
        self.id_of(&WEBHOOK, written)
    }

    /// The id of a service.
    pub fn service_id(&self, written: &str) -> Result<String, Failure> {
        self.id_of(&SERVICE, written)
    }

    /// The id of a user.
    pub fn user_id(&self, written: &str) -> Result<String, Failure> {
        self.id_of(&USER, written)
    }

    /// The id of an escalation policy.
    pub fn policy_id(&self, written: &str) -> Result<String, Failure> {
        self.id_of(&POLICY, written)
    }

    /// The id of a link below a webhook's path, by whom it is for, among those that were not revoked.
    pub fn receiver_link_id(&self, path: &str, written: &str) -> Result<String, Failure> {
        if written.starts_with(RECEIVER_LINK.prefix) && is_id(written) {
            return Ok(written.to_owned());
        }
        let mut links = self.list_all(path)?;
        links.retain(|link| link["revokedAt"].is_null());
        choose(&RECEIVER_LINK, &links, written).map_err(Failure::Other)
    }

    /// The path of a delivery.
    pub fn delivery_path(&self, written: &str) -> Result<String, Failure> {
        let id = self.id_by_time(&DELIVERY, written)?;
        Ok(format!("{}/{}", DELIVERY.path, segment(&id)))
    }

    /// The path of an incident, which the API also finds by its number.
    pub fn incident_path(&self, written: &str) -> Result<String, Failure> {
        let id = self.id_by_time(&INCIDENT, written)?;
        Ok(format!("{}/{}", INCIDENT.path, segment(&id)))
    }

    /// The id of an incident, also where only its number was written.
    pub fn incident_id(&self, written: &str) -> Result<String, Failure> {
        if written.starts_with(INCIDENT.prefix) {
            return self.id_by_time(&INCIDENT, written);
        }
        let path = format!("{}/{}", INCIDENT.path, segment(written));
        Ok(text(&self.api.get(&path, &Query::new())?.value, "/id"))
    }

    fn path_of(&self, named: &Named, written: &str) -> Result<String, Failure> {
        Ok(format!(
            "{}/{}",
            named.path,
            segment(&self.id_of(named, written)?)
        ))
    }

    fn id_of(&self, named: &Named, written: &str) -> Result<String, Failure> {
        if written.starts_with(named.prefix) && is_id(written) {
            return Ok(written.to_owned());
        }
        choose(named, &self.list_all(named.path)?, written).map_err(Failure::Other)
    }

    /// A text that cannot begin an id is left to the server.
    fn id_by_time(&self, dated: &Dated, written: &str) -> Result<String, Failure> {
        let digits = written.strip_prefix(dated.prefix).unwrap_or_default();
        let is_beginning = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        if !is_beginning || is_id(written) {
            return Ok(written.to_owned());
        }
        let too_short = || {
            Failure::other(format!(
                "more than one {} may begin with {written}; write more of its id",
                dated.what
            ))
        };
        let (since, until) = period(digits).ok_or_else(too_short)?;
        let period: Query = vec![
            ("since", since.to_string()),
            ("until", until.to_string()),
            ("limit", "200".into()),
        ];
        let mut found: Vec<String> = Vec::new();
        let mut query = period.clone();
        for _ in 0..MAX_PAGES {
            let page = self.api.get(dated.path, &query)?.value;
            let ids = page["items"].as_array().into_iter().flatten();
            let ids = ids.map(|item| text(item, "/id"));
            found.extend(ids.filter(|id| id.starts_with(written)));
            if found.len() > 1 {
                return Err(too_short());
            }
            let Some(cursor) = page["nextCursor"].as_str() else {
                let none = format!("there is no {} whose id begins with {written}", dated.what);
                return found.pop().ok_or(Failure::Other(none));
            };
            query.clone_from(&period);
            query.push(("cursor", cursor.to_owned()));
        }
        Err(too_short())
    }
}

/// The time in which everything was made whose id begins with these digits; nothing if that is long.
fn period(digits: &str) -> Option<(Timestamp, Timestamp)> {
    let known = digits.get(..digits.len().min(TIME_DIGITS))?;
    if known.len() < MIN_TIME_DIGITS {
        return None;
    }
    let bound = |digit: &str| {
        let padded = format!("{known}{}", digit.repeat(TIME_DIGITS - known.len()));
        i64::from_str_radix(&padded, 16).ok()
    };
    Some((
        Timestamp::from_millis(bound("0")?),
        Timestamp::from_millis(bound("f")? + 1),
    ))
}

/// The one that has this name, or whose id begins so.
fn choose(named: &Named, items: &[Value], written: &str) -> Result<String, String> {
    let what = named.what;
    let with_name = items.iter().filter(|item| item["name"] == written);
    let is_beginning = written.len() > named.prefix.len() && written.starts_with(named.prefix);
    let with_id = items
        .iter()
        .filter(|item| is_beginning && text(item, "/id").starts_with(written));
    let mut found = with_name.chain(with_id);
    match (found.next(), found.next()) {
        (Some(item), None) => Ok(text(item, "/id")),
        (Some(_), Some(_)) if is_beginning => Err(format!(
            "more than one {what} begins with {written}; write more of its id"
        )),
        (Some(_), Some(_)) => Err(format!("more than one {what} is called {written:?}; use the id")),
        (None, _) => Err(format!(
            "there is no {what} called {written:?}{}; `opsknight {} list` shows them",
            names(items),
            named.command
        )),
    }
}

/// What there is instead, if that is little.
fn names(items: &[Value]) -> String {
    let names: Vec<String> = items.iter().map(|item| text(item, "/name")).collect();
    match names.len() {
        1..=MAX_NAMES => format!(", but {}", names.join(", ")),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_beginning_of_an_id_says_when_it_was_made() {
        let at = |digits: &str| period(digits).map(|(since, until)| (since.as_millis(), until.as_millis()));
        let millis = 0x0190_b6c8_8f3e;
        assert_eq!(at("0190b6c88f3e7d2a"), Some((millis, millis + 1)));
        assert_eq!(at("0190b6c88f"), Some((0x0190_b6c8_8f00, 0x0190_b6c8_9000)));
        assert_eq!(at("0190b6c"), None);
    }

    #[test]
    fn a_name_or_the_beginning_of_an_id_chooses_one_and_others_are_named() {
        let items = [
            json!({"id": "whk_0190b6c8", "name": "Pager"}),
            json!({"id": "whk_0190b6ff", "name": "Chat"}),
        ];
        let chosen = |written: &str| choose(&WEBHOOK, &items, written);
        assert_eq!(chosen("Chat"), Ok("whk_0190b6ff".to_owned()));
        assert_eq!(chosen("whk_0190b6c"), Ok("whk_0190b6c8".to_owned()));
        assert!(chosen("whk_0190").unwrap_err().contains("write more"));
        assert!(chosen("whk_").unwrap_err().contains("no webhook"));
        let unknown = chosen("Pgaer").unwrap_err();
        assert!(unknown.contains("but Pager, Chat"), "{unknown}");
    }
}
