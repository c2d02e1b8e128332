//! A query in words and signs.

/// The most characters of a query.
const MAX_CHARACTERS: usize = 10_000;
/// Characters that a value may have only in quotation marks.
const RESERVED: &str = "+;?|*/%^$#@{}[]`";
const SIGNS: [&str; 11] = ["!=", "!~", "<=", ">=", "=", "~", "<", ">", "(", ")", ","];

/// One piece of a query, with the place of its first character, counted from one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// What it is.
    pub kind: Kind,
    /// What it says.
    pub text: String,
    /// Where it stands.
    pub place: usize,
}

/// What a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A bare word.
    Bare,
    /// Something in quotation marks.
    Quoted,
    /// A sign.
    Sign,
}

/// Takes a query apart.
pub fn split(jql: &str) -> Result<Vec<Word>, String> {
    let characters: Vec<char> = jql.chars().collect();
    if characters.len() > MAX_CHARACTERS {
        return Err("The JQL query is too long.".to_owned());
    }
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(first) = characters.get(at).copied() {
        let rest = characters.get(at..).unwrap_or_default();
        let begins = |sign: &&&str| rest.iter().take(sign.len()).copied().eq(sign.chars());
        let place = at + 1;
        if first.is_whitespace() {
            at += 1;
        } else if first == '"' || first == '\'' {
            let (text, length) = quoted(rest, first, place)?;
            words.push(Word {
                kind: Kind::Quoted,
                text,
                place,
            });
            at += length;
        } else if let Some(sign) = SIGNS.iter().find(begins) {
            words.push(Word {
                kind: Kind::Sign,
                text: (*sign).to_owned(),
                place,
            });
            at += sign.len();
        } else {
            let text = bare(rest, place)?;
            at += text.chars().count();
            words.push(Word {
                kind: Kind::Bare,
                text,
                place,
            });
        }
    }
    Ok(words)
}

/// A text in quotation marks and its length with them.
fn quoted(rest: &[char], mark: char, place: usize) -> Result<(String, usize), String> {
    let mut text = String::new();
    let mut is_escaped = false;
    for (length, character) in rest.iter().copied().enumerate().skip(1) {
        match character {
            'n' if is_escaped => text.push('\n'),
            't' if is_escaped => text.push('\t'),
            _ if is_escaped => text.push(character),
            '\\' => {
                is_escaped = true;
                continue;
            }
            _ if character == mark => return Ok((text, length + 1)),
            _ => text.push(character),
        }
        is_escaped = false;
    }
    let place = format!("(line 1, character {place})");
    Err(format!(
        "Error in the JQL Query: The quoted string '{text}' has not been completed. {place}"
    ))
}

fn bare(rest: &[char], place: usize) -> Result<String, String> {
    let ends = |character: &&char| !character.is_whitespace() && !"\"'=!<>~(),".contains(**character);
    let mut text: String = rest.iter().take_while(ends).collect();
    if text.is_empty() {
        // A lone exclamation mark means NOT.
        text = rest.iter().take(1).collect();
    }
    let reserved = text
        .chars()
        .enumerate()
        .find(|(_, character)| RESERVED.contains(*character));
    if let (Some((offset, character)), false) = (reserved, text.starts_with("cf[")) {
        return Err(format!(
            "Error in the JQL Query: The character '{character}' is a reserved JQL character. You must enclose it in \
             a string or use the escape '\\u{:04x}' instead. (line 1, character {})",
            u32::from(character),
            place + offset,
        ));
    }
    Ok(text)
}
