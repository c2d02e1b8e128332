//! The example of all settings, with some of them set.

const EXAMPLE: &str = include_str!("../../../../config.example.toml");

/// The example with these settings in place of its comments: a setting of no section, and its value as TOML.
pub fn with(settings: &[(&str, String)]) -> String {
    let mut is_top = true;
    let lines = EXAMPLE.lines().map(|line| {
        is_top &= !line.starts_with('[');
        let commented = line.strip_prefix('#').filter(|_| is_top);
        let set = settings.iter().find(|(name, _)| {
            let rest = commented.and_then(|line| line.strip_prefix(name));
            rest.is_some_and(|rest| rest.starts_with(" = "))
        });
        match set {
            Some((name, value)) => format!("{name} = {value}\n"),
            None => format!("{line}\n"),
        }
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_is_set_in_its_place_and_the_others_stay_comments() {
        let text = with(&[
            ("listen", "\"0.0.0.0:8080\"".into()),
            ("stop_delay", "\"5s\"".into()),
        ]);
        let table: toml::Table = text.parse().unwrap();
        assert_eq!(table["listen"].as_str(), Some("0.0.0.0:8080"));
        assert_eq!(table["stop_delay"].as_str(), Some("5s"));
        assert!(
            !table.contains_key("data") && text.contains("\n#data = "),
            "{text}"
        );
        assert_eq!(text.lines().count(), EXAMPLE.lines().count());
    }
}
