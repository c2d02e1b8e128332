//! The file of webhooks, there and back.

use serde_json::json;

use super::*;

fn present() -> [Value; 2] {
    let pager = json!({
        "id": "whk_1", "name": "Pager \"1\"\n# [[webhook]]", "url": "https://pager.example/***", "kind": "generic", "enabled": false,
        "options": {"chat": "-1", "template": "one\n'''\"\"\" two\n"}, "secretOptions": ["token", "url"], "events": ["incident.triggered"],
        "services": ["svc_1"], "severities": [], "filter": "severity == \"critical\"", "headers": ["X-Team"],
        "retrySchedule": [], "timeout": "10s", "concurrency": 16, "rate": null, "ordering": "incident",
        "whenDisabled": "hold", "afterOutage": "expire", "expireAfter": "1h", "fallbackWebhook": "whk_2",
        "fallbackAfter": "2m", "canary": null, "tls": {"hasCa": true, "hasIdentity": true},
    });
    let chat = json!({
        "id": "whk_2", "name": "Chat", "url": "https://chat.example/", "kind": "generic", "enabled": true,
        "events": ["incident.triggered"], "services": [], "tls": {"hasCa": false, "hasIdentity": false},
    });
    [pager, chat]
}

fn name_of(id: &str) -> String {
    match id {
        "svc_1" => "API".into(),
        "whk_2" => "Chat".into(),
        other => other.into(),
    }
}

fn exported(secrets: Secrets) -> Exported {
    let [pager, chat] = &present();
    write(&[pager, chat], name_of, secrets)
}

fn service(name: &str) -> Result<String, String> {
    match name {
        "API" => Ok("svc_1".to_owned()),
        _ => Err("no such service".into()),
    }
}

fn no_environment(name: &str) -> Result<String, String> {
    Err(format!("the environment has no {name}"))
}

#[test]
fn what_is_exported_reads_back_as_it_was_without_what_is_secret() {
    let exported = exported(Secrets::LeftOut);
    let declared = read(&exported.text, no_environment, service).unwrap();
    // The one that the other falls back to comes first.
    assert_eq!(declared[0].name, "Chat");
    let pager = &declared[1];
    assert_eq!(pager.name, "Pager \"1\"\n# [[webhook]]");
    assert_eq!(pager.fields["fallbackWebhook"], "Chat");
    for field in [
        "options",
        "services",
        "filter",
        "retrySchedule",
        "timeout",
        "concurrency",
        "enabled",
        "expireAfter",
    ] {
        assert_eq!(pager.fields[field], present()[0][field], "{field}");
    }
    for field in ["url", "secret", "headers", "tls", "severities", "rate"] {
        assert!(!pager.fields.contains_key(field), "{field}: {}", exported.text);
    }
    let comment = "\n# tls = { ca_pem = { env = \"PAGER__1______WEBHOOK___CA_PEM\" }";
    assert!(exported.text.contains(comment), "{}", exported.text);
}

#[test]
fn with_the_environment_what_is_secret_is_there_too() {
    let text = exported(Secrets::FromEnvironment).text;
    let value = |name: &str| {
        Ok(format!(
            "value of {}",
            name.trim_start_matches("PAGER__1______WEBHOOK___")
        ))
    };
    let pager = read(&text, value, service).unwrap().remove(1);
    let secret = |name: &str| format!("value of {name}");
    assert_eq!(pager.fields["secret"], secret("SECRET"));
    assert_eq!(pager.fields["url"], secret("URL"));
    assert_eq!(pager.fields["headers"], json!({"X-Team": secret("X_TEAM")}));
    assert_eq!(pager.fields["options"]["token"], secret("TOKEN"));
    let tls = json!({"caPem": secret("CA_PEM"), "identityPem": secret("IDENTITY_PEM")});
    assert_eq!(pager.fields["tls"], tls);
}

#[test]
fn a_name_that_two_have_is_told() {
    let [_, chat] = &present();
    assert_eq!(write(&[chat, chat], name_of, Secrets::LeftOut).twice, ["Chat"]);
}

#[test]
fn mistakes_of_a_file_are_told() {
    let reason = |text: &str| read(text, no_environment, service).unwrap_err();
    assert!(reason("[[webhook]]\nname = \"a\"\nurll = \"x\"").contains("\"a\": there is no field \"urll\""));
    assert!(reason("[[webhook]]\nname = \"a\"\nsecret = { env = \"GONE\" }").contains("no GONE"));
    assert!(reason("[[webhook]]\nname = \"a\"\nheaders = { X = { env = \"GONE\" } }").contains("no GONE"));
    assert!(reason("[[webhook]]\nurl = \"x\"").contains("webhook 1: it has no name"));
    assert!(reason("[[webhook]]\nname = \"a\"\nservices = [\"x\"]").contains("no such service"));
    assert!(reason("[webhook]\nname = \"a\"").contains("two brackets"));
    assert!(reason("[[webhooks]]\nname = \"a\"").contains("unknown \"webhooks\""));
    assert!(reason("[[webhook]]\nname = \"a\"\n[[webhook]]\nname = \"a\"").contains("two webhooks"));
}

#[test]
fn a_name_becomes_the_id_of_a_webhook_that_is_there_or_made_before() {
    let text = "[[webhook]]\nname = \"pager\"\nfallback_webhook = \"chat\"\n\
                [[webhook]]\nname = \"late\"\nfallback_webhook = \"pager\"\n\
                [[webhook]]\nname = \"own\"\nfallback_webhook = \"whk_9\"";
    let mut file = read(text, no_environment, service).unwrap();
    let id = |name: &str| (name == "chat").then(|| "whk_1".to_owned());
    resolve_fallbacks(&mut file, id).unwrap();
    let fallbacks: Vec<_> = file
        .iter()
        .map(|webhook| webhook.fields[FALLBACK].clone())
        .collect();
    assert_eq!(fallbacks, ["whk_1", "pager", "whk_9"]);
    let unmade: Vec<_> = file.iter().map(Declared::unmade_fallback).collect();
    assert_eq!(unmade, [None, Some("pager"), None]);
    let nobody = resolve_fallbacks(&mut file[1..2], id).unwrap_err();
    assert!(nobody.contains("\"pager\" to fall back to"), "{nobody}");
}
