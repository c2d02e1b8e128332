//! The schema of Adaptive Cards 1.4 as far as Teams shows them without a bot: which elements there are, what they must
//! hold, of what type, and which words are permitted. Members that are not known are let pass, as the vendor does.

use serde_json::Value;
use url::Url;
use uuid::Uuid;

const COLOURS: &[&str] = &[
    "default",
    "dark",
    "light",
    "accent",
    "good",
    "warning",
    "attention",
];
const STYLES: &[&str] = &["default", "emphasis", "good", "attention", "warning", "accent"];
const SIZES: &[&str] = &["default", "small", "medium", "large", "extralarge"];
const WEIGHTS: &[&str] = &["default", "lighter", "bolder"];
/// What a card's actions may look like.
const ACTION_STYLES: &[&str] = &["default", "positive", "destructive"];
/// The most actions that Teams shows in a row.
const MAX_ACTIONS: usize = 6;
/// How deep elements may stand within each other here.
const MAX_DEPTH: usize = 8;

/// Whether Teams can show a card, or else why not.
pub(super) fn check(card: &Value) -> Result<(), String> {
    if string(card, "type")? != "AdaptiveCard" {
        return Err("InvalidBotAdaptiveCard: `content` is no AdaptiveCard".into());
    }
    let version = string(card, "version")?;
    if !["1.0", "1.1", "1.2", "1.3", "1.4", "1.5"].contains(&version) {
        return Err(format!(
            "the version {version} of Adaptive Cards is not supported"
        ));
    }
    elements(card, "body", MAX_DEPTH)?;
    let actions = optional_list(card, "actions")?;
    if actions.len() > MAX_ACTIONS {
        return Err(format!("more than {MAX_ACTIONS} actions"));
    }
    actions.iter().try_for_each(action)?;
    teams_member(card)
}

fn elements(holder: &Value, name: &str, depth: usize) -> Result<(), String> {
    let depth = depth
        .checked_sub(1)
        .ok_or("elements stand too deep within each other")?;
    list(holder, name)?.iter().try_for_each(|it| element(it, depth))
}

fn element(element: &Value, depth: usize) -> Result<(), String> {
    match string(element, "type")? {
        "TextBlock" => text_block(element),
        "FactSet" => list(element, "facts")?.iter().try_for_each(|fact| {
            string(fact, "title")?;
            string(fact, "value").map(drop)
        }),
        "Container" => {
            word(element, "style", STYLES)?;
            flag(element, "bleed")?;
            elements(element, "items", depth)
        }
        "ColumnSet" => list(element, "columns")?.iter().try_for_each(|column| {
            width(column)?;
            word(column, "style", STYLES)?;
            elements(column, "items", depth)
        }),
        other => Err(format!("the element {other} is not known")),
    }
}

fn text_block(block: &Value) -> Result<(), String> {
    string(block, "text")?;
    word(block, "color", COLOURS)?;
    word(block, "size", SIZES)?;
    word(block, "weight", WEIGHTS)?;
    flag(block, "wrap")?;
    flag(block, "isSubtle")
}

fn width(column: &Value) -> Result<(), String> {
    match column.get("width") {
        None | Some(Value::Number(_)) => Ok(()),
        Some(Value::String(width))
            if ["auto", "stretch"].contains(&width.as_str()) || width.ends_with("px") =>
        {
            Ok(())
        }
        Some(other) => Err(format!("{other} is no width of a column")),
    }
}

fn action(action: &Value) -> Result<(), String> {
    let kind = string(action, "type")?;
    if kind != "Action.OpenUrl" {
        return Err(format!("{kind} needs a bot"));
    }
    string(action, "title")?;
    word(action, "style", ACTION_STYLES)?;
    let url = string(action, "url")?;
    Url::parse(url)
        .map(drop)
        .map_err(|_| format!("{} is no URL", Value::from(url)))
}

/// What Teams adds to cards: their width, and who is called.
fn teams_member(card: &Value) -> Result<(), String> {
    let Some(teams) = card.get("msteams") else {
        return Ok(());
    };
    if !matches!(
        teams.get("width").and_then(Value::as_str),
        None | Some("Full" | "full")
    ) {
        return Err("`msteams.width` can only be Full".into());
    }
    let body = card.get("body").map(Value::to_string).unwrap_or_default();
    optional_list(teams, "entities")?.iter().try_for_each(|entity| {
        let tag = string(entity, "text")?;
        let is_tag = tag.starts_with("<at>") && tag.ends_with("</at>");
        if string(entity, "type")? != "mention" || !is_tag {
            return Err("an entity is no mention".into());
        }
        if !body.contains(tag) {
            return Err(format!("the card does not hold the mention {tag}"));
        }
        let mentioned = entity.get("mentioned").unwrap_or(&Value::Null);
        string(mentioned, "name")?;
        let id = string(mentioned, "id")?;
        let is_id = id.contains('@') || Uuid::try_parse(id).is_ok();
        is_id.then_some(()).ok_or_else(|| format!("{id} names no user"))
    })
}

fn string<'a>(holder: &'a Value, name: &str) -> Result<&'a str, String> {
    let text = holder.get(name).and_then(Value::as_str);
    text.ok_or_else(|| format!("`{name}` is missing or no string"))
}

fn list<'a>(holder: &'a Value, name: &str) -> Result<&'a [Value], String> {
    let list = holder.get(name).and_then(Value::as_array);
    list.map(Vec::as_slice)
        .ok_or_else(|| format!("`{name}` is missing or no array"))
}

fn optional_list<'a>(holder: &'a Value, name: &str) -> Result<&'a [Value], String> {
    match holder.get(name) {
        None => Ok(&[]),
        Some(_) => list(holder, name),
    }
}

/// A member that may be absent, but is else one of these words, in whatever case.
fn word(holder: &Value, name: &str, words: &[&str]) -> Result<(), String> {
    match holder.get(name) {
        None => Ok(()),
        Some(Value::String(text)) if words.contains(&text.to_ascii_lowercase().as_str()) => Ok(()),
        Some(other) => Err(format!("`{name}` cannot be {other}")),
    }
}

fn flag(holder: &Value, name: &str) -> Result<(), String> {
    match holder.get(name) {
        None | Some(Value::Bool(_)) => Ok(()),
        Some(other) => Err(format!("`{name}` cannot be {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn with_element(element: &Value) -> Result<(), String> {
        check(&json!({ "type": "AdaptiveCard", "version": "1.4", "body": [element] }))
    }

    fn with(name: &str, value: Value) -> Result<(), String> {
        let mut card = json!({ "type": "AdaptiveCard", "version": "1.4", "body": [{ "type": "TextBlock", "text": "<at>Ada</at>" }] });
        card[name] = value;
        check(&card)
    }

    #[test]
    fn a_card_needs_its_type_a_version_and_a_body() {
        assert!(check(&json!({ "type": "MessageCard", "version": "1.4", "body": [] })).is_err());
        assert!(check(&json!({ "type": "AdaptiveCard", "body": [] })).is_err());
        assert!(check(&json!({ "type": "AdaptiveCard", "version": "1.4" })).is_err());
        assert!(check(&json!({ "type": "AdaptiveCard", "version": "2.0", "body": [] })).is_err());
        assert_eq!(
            check(&json!({ "type": "AdaptiveCard", "version": "1.4", "body": [] })),
            Ok(())
        );
    }

    #[test]
    fn elements_are_checked_one_within_the_other() {
        assert_eq!(
            with_element(&json!({ "type": "TextBlock", "text": "a", "color": "Good" })),
            Ok(())
        );
        assert!(with_element(&json!({ "type": "TextBlock", "text": 1 })).is_err());
        assert!(with_element(&json!({ "type": "TextBlock", "text": "a", "color": "#ff0000" })).is_err());
        assert!(with_element(&json!({ "type": "TextBlock", "text": "a", "wrap": "true" })).is_err());
        assert!(with_element(&json!({ "type": "FactSet", "facts": [{ "title": "a" }] })).is_err());
        assert!(with_element(&json!({ "type": "Container", "items": [{ "type": "Table" }] })).is_err());
        let column = json!({ "type": "Column", "width": "wide", "items": [] });
        assert!(with_element(&json!({ "type": "ColumnSet", "columns": [column] })).is_err());
    }

    #[test]
    fn only_links_work_without_a_bot() {
        let link = json!({ "type": "Action.OpenUrl", "title": "Open", "url": "https://ops.example/" });
        assert_eq!(with("actions", json!([link])), Ok(()));
        assert!(with("actions", json!([{ "type": "Action.Submit", "title": "Go" }])).is_err());
        assert!(
            with(
                "actions",
                json!([{ "type": "Action.OpenUrl", "title": "Go", "url": "nowhere" }])
            )
            .is_err()
        );
        assert!(with("actions", vec![link; 7].into()).is_err());
    }

    #[test]
    fn a_mention_names_somebody_who_stands_in_the_card() {
        let entity = |name: &str, id: &str| {
            let tag = format!("<at>{name}</at>");
            json!({ "entities": [{ "type": "mention", "text": tag, "mentioned": { "id": id, "name": name } }] })
        };
        assert_eq!(with("msteams", entity("Ada", "ada@example.com")), Ok(()));
        assert!(with("msteams", entity("Bob", "bob@example.com")).is_err());
        assert!(with("msteams", entity("Ada", "somebody")).is_err());
        assert!(with("msteams", json!({ "width": "Half" })).is_err());
    }

    #[test]
    fn a_card_of_endless_depth_is_refused() {
        let deep = (0..20).fold(
            json!({ "type": "TextBlock", "text": "a" }),
            |inner, _| json!({ "type": "Container", "items": [inner] }),
        );
        assert!(with_element(&deep).is_err());
    }
}
