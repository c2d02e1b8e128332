//! Whom a message calls by name, read from the option `mention`. Nobody is called unless the option says so.

use destination::task::Task;
use destination::text::{Unit, cut};

/// The most that may be called at once.
pub const MAX_MENTIONS: usize = 10;

/// Reads `@here`, `@channel`, `@U…` and the forms that Slack itself writes, separated by spaces or commas, into Slack's
/// own form; an error names what it is not.
pub fn parse(text: &str) -> Result<String, String> {
    let words: Vec<&str> = text.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    if words.len() > MAX_MENTIONS {
        return Err(format!("names more than {MAX_MENTIONS}"));
    }
    let mentions: Result<Vec<_>, _> = words.into_iter().map(mention).collect();
    Ok(mentions?.join(" "))
}

/// Those whom a task's message calls; empty if nobody. Only what asks for attention calls anybody.
pub fn of(task: &Task<'_>) -> String {
    match task.event.name.asks_for_attention() {
        true => parse(task.target.option("mention")).unwrap_or_default(),
        false => String::new(),
    }
}

fn mention(word: &str) -> Result<String, String> {
    let inner = word.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
    let inner = inner.map(|inner| inner.split_once('|').map_or(inner, |(inner, _)| inner));
    let name = inner.or(Some(word)).and_then(|word| word.strip_prefix('@'));
    let group = inner.and_then(|inner| inner.strip_prefix("!subteam^"));
    let all = inner.and_then(|inner| inner.strip_prefix('!')).or(name);
    match (all, name, group) {
        (Some(all @ ("here" | "channel" | "everyone")), _, _) => Ok(format!("<!{all}>")),
        (_, Some(user), _) if is_id(user, "UW") => Ok(format!("<@{user}>")),
        (_, Some(group), _) | (_, _, Some(group)) if is_id(group, "S") => Ok(format!("<!subteam^{group}>")),
        _ => Err(format!(
            "{:?} is none of @here, @channel, <@user id> and <!subteam^group id>",
            cut(word, 40, Unit::Characters)
        )),
    }
}

/// Whether a text can be one of Slack's ids that begin with one of these letters.
pub fn is_id(text: &str, letters: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    text.starts_with(|first| letters.contains(first))
        && (3..=24).contains(&text.len())
        && text.bytes().all(is_letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_becomes_slacks_own() {
        let text = "@here, <!channel> @U012AB <@W34> <@U5C|ada> <!subteam^S0PS|@ops> @S0PS";
        let expected = "<!here> <!channel> <@U012AB> <@W34> <@U5C> <!subteam^S0PS> <!subteam^S0PS>";
        assert_eq!(parse(text).unwrap(), expected);
        assert_eq!(parse("").unwrap(), "");
    }

    #[test]
    fn what_is_no_mention_is_refused() {
        let refused = [
            "here",
            "@ada",
            "<@>",
            "<!all>",
            "<@u012>",
            "#general",
            "<!subteam^X1>",
            "<!here",
            "<here>",
        ];
        assert!(refused.into_iter().all(|text| parse(text).is_err()));
        assert!(parse(&"@here ".repeat(MAX_MENTIONS)).is_ok());
        assert!(parse(&"@here ".repeat(MAX_MENTIONS + 1)).is_err());
    }
}
