//! For tests of adapters: their requests to the simulators of their platforms, and what comes back.

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use url::Position;

use destination::Adapter;
use destination::sample::Sample;
use destination::task::Rendered;
use model::event::EventName;
use model::exchange::{Exchange, PhaseTimings, Reach, Response};
use model::time::Timestamp;
use model::webhook::WebhookKind;
use simulators::{Request, Simulator};

/// A bot's token.
const TOKEN: &str = "123456789:AAF-made_up_made_up_made_up_made_u";

/// A fresh platform.
pub fn platform(kind: &str) -> Box<dyn Simulator> {
    simulators::simulator(kind).unwrap()
}

/// What a platform answers to a request.
pub fn ask(platform: &mut dyn Simulator, rendered: &Rendered, now: Timestamp) -> simulators::Response {
    platform.answer(&Request {
        method: &rendered.method,
        target: &rendered.url[Position::BeforePath..],
        headers: &rendered.headers,
        body: &rendered.body,
        now,
    })
}

/// An answer, as an adapter is given it.
pub fn exchange(status: u16, headers: &[(&'static str, String)], body: &str) -> Exchange {
    let headers = headers.iter().map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        (name, HeaderValue::from_str(value).unwrap())
    });
    Exchange {
        notice: None,
        timings: PhaseTimings::default(),
        remote_address: None,
        reach: Reach::MaybeSent,
        result: Ok(Response {
            status,
            headers: headers.collect(),
            body: Bytes::from(body.to_owned()),
            body_is_truncated: false,
        }),
    }
}

#[test]
fn a_preview_shows_what_the_platform_shows() {
    let kinds: [(&dyn Adapter, &str); 6] = [
        (&crate::slack::Slack, "<!here>"),
        (&crate::teams::Teams, "Ada Lovelace <ada@example.com>"),
        (&crate::google_chat::GoogleChat, "all"),
        (&crate::discord::Discord, "@here"),
        (&crate::telegram::Telegram, "@ada_l"),
        (&crate::custom::Custom, ""),
    ];
    for (adapter, mention) in kinds {
        let kind = adapter.description().kind;
        for event in EventName::ALL.iter().copied() {
            let platform = &mut *platform(kind);
            let url = platform.url("http://127.0.0.1:9").parse().unwrap();
            let mut sample = Sample::new(WebhookKind::new(kind), url, event, Timestamp::EPOCH)
                .with_option("mention", mention)
                .with_option("chat", "-1001234567890")
                .with_secret("token", if kind == "telegram" { TOKEN } else { "" })
                .about(|incident| incident.title = "*a* _b_ <c> [d](https://e.f) @all 1. g & h".into());
            sample.links.incident = Some("https://ops.example/incidents/1".into());
            let rendered = adapter.step(&sample.task()).into_request().unwrap();
            let answer = ask(platform, &rendered, sample.now);
            let shown = answer
                .message
                .unwrap_or_else(|| panic!("{kind}: {}", answer.sentence));
            let preview = adapter.previews().unwrap().preview(&rendered.body).unwrap();
            assert_eq!(
                (preview.accent, preview.text()),
                (shown.accent, shown.text()),
                "{kind}"
            );
        }
    }
}
