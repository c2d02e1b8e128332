//! Who is called by name: the `mention` option, read.

/// The most people that one message calls.
const MAX_MENTIONS: usize = 5;
/// The longest id of a user, in digits; today's have 21.
const MAX_ID_DIGITS: usize = 32;

/// The users in an option, as Google names them: `all` or digits. Nobody if it is empty, nothing if it cannot be read.
pub(super) fn read(option: &str) -> Option<Vec<&str>> {
    if option.trim().is_empty() {
        return Some(Vec::new());
    }
    let users: Vec<_> = option.split(',').map(read_one).collect::<Option<_>>()?;
    (users.len() <= MAX_MENTIONS).then_some(users)
}

fn read_one(text: &str) -> Option<&str> {
    let text = text.trim();
    if text == "all" {
        return Some(text);
    }
    let id = text.strip_prefix("users/")?;
    let is_id = (1..=MAX_ID_DIGITS).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit());
    is_id.then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_called_unless_somebody_is_named() {
        assert_eq!(read(" "), Some(Vec::new()));
        assert_eq!(read("all"), Some(vec!["all"]));
        assert_eq!(read("users/123, users/45,all"), Some(vec!["123", "45", "all"]));
    }

    #[test]
    fn what_names_no_user_is_refused() {
        let refused = [
            "<users/all>",
            "users/",
            "users/ada@example.com",
            "123",
            "everyone",
            "all,",
            "users/1>x",
        ];
        assert_eq!(refused.map(read), [const { None }; 7]);
    }

    #[test]
    fn five_users_are_enough() {
        let five = ["users/1"; 5].join(",");
        assert_eq!(read(&five).map(|users| users.len()), Some(5));
        assert_eq!(read(&format!("{five},all")), None);
    }
}
