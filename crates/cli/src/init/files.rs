//! Which files a use takes, and what they say.

use super::{Purpose, settings};

/// The name that stands in the examples.
pub const EXAMPLE_DOMAIN: &str = "opsknight.example";
/// The settings' file.
const SETTINGS: &str = "opsknight.toml";
const UNIT: &str = include_str!("../../../../deploy/opsknight.service");
const COMPOSE: &str = include_str!("../../../../deploy/compose-one.yaml");
const NGINX: &str = include_str!("../../../../deploy/nginx.conf");
const CADDY: &str = include_str!("../../../../deploy/Caddyfile");
const TRAEFIK: &str = include_str!("../../../../deploy/traefik.yaml");
/// How the unit starts the server, here and as it is written.
const STARTS: [&str; 2] = [
    "opsknight serve --listen 127.0.0.1:8080 --data /var/lib/opsknight",
    "opsknight serve --config /etc/opsknight/opsknight.toml",
];
/// What the examples of proxies say of a second server: one is enough to begin with.
const SECOND_SERVER: [&str; 3] = [
    "    server 127.0.0.1:8082 max_fails=1 fail_timeout=2s;\n",
    " 127.0.0.1:8082",
    "          - url: http://127.0.0.1:8082\n",
];

/// A name of a host, in which nothing can end a quoted text.
pub fn domain(text: &str) -> Result<String, String> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || ".-".contains(character);
    match !text.is_empty() && text.chars().all(is_part) {
        true => Ok(text.to_owned()),
        false => Err("write the name of a host, such as opsknight.example".into()),
    }
}

/// The files: each one's name and text.
pub fn all(purpose: Purpose, domain: &str) -> Vec<(&'static str, String)> {
    let quoted = |text: &str| format!("{text:?}");
    let behind_proxy = |address: &str| {
        settings::with(&[
            ("listen", quoted(address)),
            ("public_url", quoted(&format!("https://{domain}"))),
            ("trusted_proxies", "[\"127.0.0.1\"]".into()),
            ("stop_delay", quoted("5s")),
        ])
    };
    let one_server = |example: &str| {
        let one = SECOND_SERVER
            .iter()
            .fold(example.to_owned(), |text, second| text.replace(second, ""));
        one.replace(EXAMPLE_DOMAIN, domain)
    };
    let proxied = |name, example| {
        vec![
            (SETTINGS, behind_proxy("127.0.0.1:8081")),
            (name, one_server(example)),
        ]
    };
    match purpose {
        Purpose::Local => vec![(SETTINGS, settings::with(&[]))],
        Purpose::Systemd => vec![
            (
                SETTINGS,
                settings::with(&[("data", quoted("/var/lib/opsknight"))]),
            ),
            ("opsknight.service", UNIT.replace(STARTS[0], STARTS[1])),
        ],
        Purpose::Compose => vec![
            (
                SETTINGS,
                settings::with(&[("listen", quoted("0.0.0.0:8080")), ("data", quoted("/data"))]),
            ),
            ("compose.yaml", COMPOSE.to_owned()),
        ],
        Purpose::Nginx => proxied("nginx.conf", NGINX),
        Purpose::Caddy => proxied("Caddyfile", CADDY),
        Purpose::Traefik => proxied("traefik.yaml", TRAEFIK),
    }
}

/// What to do then.
pub fn next_step(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Local => "start it: opsknight serve --config opsknight.toml",
        Purpose::Systemd => {
            "install them: install -D -m 0644 opsknight.toml /etc/opsknight/opsknight.toml\n  \
             install -m 0644 opsknight.service /etc/systemd/system/\n  \
             systemctl daemon-reload && systemctl enable --now opsknight\n  \
             journalctl -u opsknight        # the first start prints a one-time set-up link"
        }
        Purpose::Compose => "start it: docker compose up --detach --wait",
        Purpose::Nginx | Purpose::Caddy | Purpose::Traefik => {
            "start the server: opsknight serve --config opsknight.toml\nthe first lines of the other file say how the proxy reads it"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_replaced_is_there() {
        assert!(UNIT.contains(STARTS[0]));
        for (example, second) in [NGINX, CADDY, TRAEFIK].into_iter().zip(SECOND_SERVER) {
            assert!(example.contains(second), "{second}");
        }
    }

    #[test]
    fn a_domain_cannot_leave_its_place() {
        assert!(domain("ops.example").is_ok());
        for wrong in ["", "a b", "a\"b", "a;b", "a{b"] {
            assert!(domain(wrong).is_err(), "{wrong}");
        }
    }
}
