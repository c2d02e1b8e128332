//! Settings: where they come from, which one wins, and what a wrong one is told.

use std::collections::HashMap;
use std::path::Path;

use config::{self, Config, Database, Flag};

const EXAMPLE: &str = include_str!("../../config.example.toml");

fn load(file: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("opsknight.toml");
    std::fs::write(&path, file).unwrap();
    let environment: HashMap<&str, &str> = environment.iter().copied().collect();
    let flags: Vec<Flag> = flags.iter().map(|(setting, text)| flag(setting, text)).collect();
    let value = |name: &str| environment.get(name).map(|text| (*text).to_owned());
    config::load(Some(&path), value, &flags).map_err(|error| error.to_string())
}

fn flag(setting: &str, text: &str) -> Flag {
    Flag {
        flag: format!("--{setting}"),
        setting: setting.to_owned(),
        text: text.to_owned(),
    }
}

/// Settings are commented with `#` alone, sentences with `# `.
fn uncommented(text: &str) -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(setting) if !setting.is_empty() && !setting.starts_with(' ') => setting.to_owned(),
        _ => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_with_everything_uncommented_is_exactly_the_defaults() {
    let table: toml::Table = uncommented(EXAMPLE).parse().unwrap();
    assert_eq!(table, toml::Table::try_from(Config::default()).unwrap());
    assert_eq!(load(&uncommented(EXAMPLE), &[], &[]), Ok(Config::default()));
    assert_eq!(load(EXAMPLE, &[], &[]), Ok(Config::default()));
}

#[test]
fn flags_win_over_the_environment_that_over_the_file_that_over_the_defaults() {
    let file =
        "data = \"/file\"\nlog = \"warn\"\npublic_url = \"https://file.example\"\n[retention]\ndead = \"1d\"";
    let environment = [("OPSKNIGHT_DATA", "/environment"), ("OPSKNIGHT_LOG", "debug")];
    let config = load(file, &environment, &[("data", "/flag")]).unwrap();
    assert_eq!(config.data, Path::new("/flag"));
    assert_eq!(config.log, "debug");
    assert_eq!(config.public_url.unwrap().as_str(), "https://file.example/");
    assert_eq!(config.retention.dead.as_secs(), 24 * 3600);
    assert_eq!(config.retention.delivered, Config::default().retention.delivered);
    assert_eq!(config.listen, Config::default().listen);
}

#[test]
fn every_setting_can_be_given_in_the_environment_in_its_type() {
    let environment = [
        ("OPSKNIGHT_OUTBOUND_ALLOW", "10.0.0.0/8, host.example,"),
        ("OPSKNIGHT_TRUSTED_PROXIES", "127.0.0.1, 2001:db8::/32"),
        ("OPSKNIGHT_DEV", "true"),
        ("OPSKNIGHT_LIMITS_MAX_IN_FLIGHT", "7"),
        ("OPSKNIGHT_MAX_DATABASE_SIZE", "10GiB"),
        ("OPSKNIGHT_STOP_GRACE", "5s"),
    ];
    let config = load("", &environment, &[]).unwrap();
    assert_eq!(config.outbound.allow, ["10.0.0.0/8", "host.example"]);
    let proxies: Vec<String> = config.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(proxies, ["127.0.0.1/32", "2001:db8::/32"]);
    assert!(config.dev);
    assert_eq!(config.limits.max_in_flight, 7);
    assert_eq!(config.max_database_bytes, Some(10 << 30));
    assert_eq!(config.stop_grace.as_secs(), 5);
}

#[test]
fn no_two_settings_have_the_same_name_in_the_environment() {
    let names: std::collections::HashSet<String> = config::names()
        .iter()
        .map(|name| config::environment_name(name))
        .collect();
    assert_eq!(names.len(), config::names().len());
}

#[test]
fn a_wrong_setting_is_named_with_its_origin_and_what_to_write() {
    let error = load("", &[("OPSKNIGHT_LISTEN", "localhost")], &[]).unwrap_err();
    assert!(
        error.contains("the setting listen (from the environment, OPSKNIGHT_LISTEN)"),
        "{error}"
    );
    assert!(error.contains("write \"127.0.0.1:8080\""), "{error}");
    let error = load("", &[], &[("dev", "maybe")]).unwrap_err();
    assert!(error.contains("from the command line, --dev"), "{error}");
    let error = load("trusted_proxies = [\"proxy.example\"]", &[], &[]).unwrap_err();
    assert!(
        error.contains("\"proxy.example\" is no network: write"),
        "{error}"
    );
    for origin in ["*", "https://a.example/", "a.example", "https://a.example:443"] {
        let error = load("", &[("OPSKNIGHT_API_CORS_ORIGINS", origin)], &[]).unwrap_err();
        assert!(error.contains("not an origin: write"), "{origin}: {error}");
    }
    let error = load("[limits]\nmax_in_flight = 0", &[], &[]).unwrap_err();
    assert!(error.contains("limits.max_in_flight (in "), "{error}");
    assert!(error.contains("must be from 1 to"), "{error}");
}

#[test]
fn a_setting_that_does_not_exist_is_refused() {
    let error = load("[outbound]\nalow = []", &[], &[]).unwrap_err();
    assert!(error.contains("outbound.alow"), "{error}");
    assert!(error.contains("there is no such setting"), "{error}");
    let error = load("listen = 8080", &[], &[]).unwrap_err();
    assert!(error.contains("expected a string"), "{error}");
}

#[test]
fn a_file_that_is_not_toml_is_shown_where_it_breaks() {
    let error = load("listen = \n", &[], &[]).unwrap_err();
    assert!(error.contains("line 1"), "{error}");
}

#[test]
fn a_postgresql_url_is_kept_as_it_is_and_never_printed() {
    let url = "postgres://ops:hush@db-1,db-2:5433/opsknight?target_session_attrs=read-write";
    let config = load("", &[], &[("database", url)]).unwrap();
    assert!(matches!(&config.database, Database::Postgres(kept) if kept.reveal() == url));
    assert!(!format!("{config:?}").contains("hush"));
    for unknown in ["mysql://localhost/x", "postgres", "postgres:opsknight"] {
        let error = load("", &[], &[("database", unknown)]).unwrap_err();
        assert!(
            error.contains("postgres://user:password@host/database"),
            "{error}"
        );
    }
}

#[test]
fn bounds_on_postgresql_are_held() {
    for (setting, text, expected) in [
        ("postgres.connections", "3", "must be from 4 to 1000"),
        ("postgres.statement_timeout", "0s", "must be from 1s to 10m"),
    ] {
        let error = load("", &[], &[(setting, text)]).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_mistyped_name_in_the_environment_is_noticed_and_foreign_ones_are_not() {
    let environment = [
        "OPSKNIGHT_LISTN",
        "OPSKNIGHT_LISTEN",
        "OPSKNIGHT_PORT_8080_TCP",
        "OPSKNIGHT_API_KEY",
        "HOME",
    ];
    let unknown = config::unknown_names(environment.map(str::to_owned));
    assert_eq!(unknown, ["OPSKNIGHT_LISTN"]);
}
