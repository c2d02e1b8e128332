//! Fallbacks in the file of `opsknight webhooks apply`: webhooks are named there, and the API wants their ids.

use serde_json::{Map, Value};

use crate::webhook_file::Declared;

const FIELD: &str = "fallbackWebhook";
/// What the ids of webhooks begin with.
const ID_PREFIX: &str = "whk_";

/// Puts ids for names of webhooks that the server has. Others must stand further up in the file: their ids are known when they
/// are made.
pub fn resolve(declared: &mut [Declared], present: &[Value]) -> Result<(), String> {
    for index in 0..declared.len() {
        let (before, rest) = declared.split_at_mut(index);
        let Some(webhook) = rest.first_mut() else { continue };
        let Some(name) = webhook.fields.get(FIELD).and_then(Value::as_str) else {
            continue;
        };
        let found = present.iter().find(|other| other["name"] == name);
        if let Some(found) = found.filter(|_| !name.starts_with(ID_PREFIX)) {
            webhook.fields.insert(FIELD.to_owned(), found["id"].clone());
        } else if !name.starts_with(ID_PREFIX) && !before.iter().any(|other| other.name == name) {
            return Err(format!(
                "webhook {:?}: there is no webhook called {name:?} to fall back to; one that is to be made stands further up",
                webhook.name
            ));
        }
    }
    Ok(())
}

/// What is sent for a webhook, given the webhooks that were made or changed before it.
pub fn with_id(body: &Map<String, Value>, before: &[Value]) -> Value {
    let mut body = body.clone();
    if let Some(fallback) = body.get_mut(FIELD)
        && let Some(found) = before.iter().find(|other| other["name"] == *fallback)
    {
        *fallback = found["id"].clone();
    }
    Value::Object(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn declared(name: &str, fallback: &str) -> Declared {
        let fields = json!({"name": name, "fallbackWebhook": fallback});
        Declared {
            name: name.to_owned(),
            fields: fields.as_object().unwrap().clone(),
        }
    }

    #[test]
    fn a_name_becomes_the_id_of_a_webhook_that_is_there_or_made_before() {
        let present = [json!({"id": "whk_1", "name": "chat"})];
        let mut file = [
            declared("pager", "chat"),
            declared("late", "pager"),
            declared("own", "whk_9"),
        ];
        resolve(&mut file, &present).unwrap();
        let fallbacks = file.each_ref().map(|webhook| webhook.fields[FIELD].clone());
        assert_eq!(fallbacks, ["whk_1", "pager", "whk_9"].map(Value::from));
        let sent = with_id(&file[1].fields, &[json!({"id": "whk_2", "name": "pager"})]);
        assert_eq!(sent[FIELD], "whk_2");
        let nobody = resolve(&mut [declared("pager", "nobody")], &present);
        assert!(nobody.unwrap_err().contains("nobody"));
    }
}
