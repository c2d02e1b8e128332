//! Ready bodies for well-known receivers. Each is a template like those that people write.

/// One preset.
pub(super) struct Preset {
    /// Its name in the API.
    pub(super) name: &'static str,
    /// The content type of its body.
    pub(super) content_type: &'static str,
    /// The template of its body.
    pub(super) body: &'static str,
    /// Headers of its own: name and template. One that comes out empty is not sent.
    pub(super) headers: &'static [(&'static str, &'static str)],
    /// What a good answer is beyond its status, as the form's success condition; empty if the status says it all.
    pub(super) success: &'static str,
}

/// What people choose from.
pub(super) const CHOICES: [(&str, &str); 17] = [
    ("opsknight", "OpsKnight's own JSON"),
    ("cloudevents", "CloudEvents 1.0, structured"),
    ("cloudevents_binary", "CloudEvents 1.0, binary"),
    ("pagerduty_v3", "JSON as PagerDuty's V3 webhooks"),
    ("text", "Plain text"),
    ("mattermost", "Mattermost"),
    ("rocketchat", "Rocket.Chat"),
    ("matrix_hookshot", "Matrix, through Hookshot"),
    ("ntfy", "ntfy"),
    ("gotify", "Gotify"),
    ("dingtalk", "DingTalk"),
    ("feishu", "Feishu, Lark"),
    ("wecom", "WeCom"),
    ("zulip", "Zulip"),
    ("webex", "Webex"),
    ("pushover", "Pushover"),
    ("twilio", "Twilio SMS"),
];

/// The preset of this name; OpsKnight's own JSON if there is none.
pub(super) fn preset(name: &str) -> &'static Preset {
    let known = PRESETS.into_iter().find(|preset| preset.name == name);
    known.unwrap_or(&OPSKNIGHT)
}

const JSON: &str = "application/json";

static PRESETS: [&Preset; 17] = [
    &OPSKNIGHT,
    &CLOUDEVENTS,
    &CLOUDEVENTS_BINARY,
    &PAGERDUTY_V3,
    &TEXT,
    &MATTERMOST,
    &ROCKETCHAT,
    &MATRIX_HOOKSHOT,
    &NTFY,
    &GOTIFY,
    &DINGTALK,
    &FEISHU,
    &WECOM,
    &ZULIP,
    &WEBEX,
    &PUSHOVER,
    &TWILIO,
];

static OPSKNIGHT: Preset = Preset {
    name: "opsknight",
    content_type: JSON,
    body: "{{ body }}",
    headers: &[],
    success: "",
};

/// CloudEvents 1.0.2, JSON format in structured mode.
static CLOUDEVENTS: Preset = Preset {
    name: "cloudevents",
    content_type: "application/cloudevents+json; charset=utf-8",
    body: r#"{
  "specversion": "1.0",
  "id": "{{ event_id }}",
  "source": "/opsknight/services/{{ incident.service.id }}",
  "type": "com.opsknight.{{ event }}",
  "subject": "{{ incident.id }}",
  "time": "{{ timestamp }}",
  "datacontenttype": "application/json",
  "data": {{ body }}
}"#,
    headers: &[],
    success: "",
};

/// CloudEvents 1.0.2, HTTP protocol binding in binary mode: the data is the body, its attributes are headers.
static CLOUDEVENTS_BINARY: Preset = Preset {
    name: "cloudevents_binary",
    content_type: JSON,
    body: "{{ body }}",
    headers: &[
        ("ce-specversion", "1.0"),
        ("ce-id", "{{ event_id }}"),
        ("ce-source", "/opsknight/services/{{ incident.service.id }}"),
        ("ce-type", "com.opsknight.{{ event }}"),
        ("ce-subject", "{{ incident.id }}"),
        ("ce-time", "{{ timestamp }}"),
    ],
    success: "",
};

static PAGERDUTY_V3: Preset = Preset {
    name: "pagerduty_v3",
    content_type: JSON,
    body: r#"{
  "event": {
    "id": "{{ event_id }}",
    "event_type": "{{ event }}",
    "resource_type": "incident",
    "occurred_at": "{{ timestamp }}",
    "agent": {% if by_person %}{ "type": "user_reference", "summary": "{{ actor }}" }{% else %}null{% endif %},
    "client": { "name": "OpsKnight" },
    "data": {
      "id": "{{ incident.id }}",
      "type": "incident",
      "self": {{ links.incident | tojson }},
      "html_url": {{ links.incident | tojson }},
      "number": null,
      "status": "{{ incident.status }}",
      "incident_key": "{{ incident.id }}",
      "created_at": "{{ incident.createdAt }}",
      "title": "{{ incident.title }}",
      "service": {
        "id": "{{ incident.service.id }}",
        "type": "service_reference",
        "summary": "{{ incident.service.name }}"
      },
      "assignees": [
        {%- if incident.assignee %}
        {
          "id": "{{ incident.assignee.id }}",
          "type": "user_reference",
          "summary": "{{ incident.assignee.name }}"
        }
        {%- endif %}
      ],
      "escalation_policy": null,
      "teams": [],
      "priority": null,
      "urgency": "{{ "high" if incident.severity in ["critical", "error"] else "low" }}",
      "conference_bridge": null,
      "resolve_reason": null
    }
  }
}"#,
    headers: &[],
    success: "",
};

static TEXT: Preset = Preset {
    name: "text",
    content_type: "text/plain; charset=utf-8",
    body: "\
{{ mark }} {{ test_mark }}{{ number_mark }}{{ incident.title | line }}
{{ happened }} · {{ incident.severity }} · {{ incident.service.name | line }}
Assignee: {{ incident.assignee.name | line if incident.assignee else 'nobody' }}
Since: {{ incident.createdAt }}
{% if links.incident %}{{ links.incident }}
{% endif %}",
    headers: &[],
    success: "",
};

static MATTERMOST: Preset = Preset {
    name: "mattermost",
    content_type: JSON,
    body: r#"{
  "username": "OpsKnight",
  "attachments": [
    {
      "fallback": "{{ test_mark }}{{ happened | quiet }}: {{ incident.title | quiet | cut(300) }}",
      "color": "{{ colour }}",
      "title": "{{ test_mark }}{{ happened | unlinked }}",
      "title_link": {{ links.incident | tojson }},
      "text": "**{{ mark }} {{ incident.title | markdown | cut(1000) }}**",
      "fields": [
        { "short": true, "title": "Service", "value": "{{ incident.service.name | markdown | cut(300) }}" },
        { "short": true, "title": "Severity", "value": "{{ incident.severity }}" },
        {
          "short": true,
          "title": "Assignee",
          "value": "{{ incident.assignee.name | markdown | cut(300) if incident.assignee else 'nobody' }}"
        },
        { "short": true, "title": "Since", "value": "{{ incident.createdAt }}" }
      ]
    }
  ]
}"#,
    headers: &[],
    success: "",
};

/// Its parser knows no escapes: see `unlinked`.
static ROCKETCHAT: Preset = Preset {
    name: "rocketchat",
    content_type: JSON,
    body: r#"{
  "text": "{{ mark }} {{ test_mark }}{{ happened | unlinked }}: {{ incident.title | unlinked | cut(1000) }}",
  "attachments": [
    {
      "color": "{{ colour }}",
      "title": "Open incident",
      {%- if links.incident %}
      "title_link": "{{ links.incident }}",
      {%- endif %}
      "fields": [
        { "short": true, "title": "Service", "value": "{{ incident.service.name | unlinked | cut(300) }}" },
        { "short": true, "title": "Severity", "value": "{{ incident.severity }}" },
        {
          "short": true,
          "title": "Assignee",
          "value": "{{ incident.assignee.name | unlinked | cut(300) if incident.assignee else 'nobody' }}"
        },
        { "short": true, "title": "Since", "value": "{{ incident.createdAt }}" }
      ]
    }
  ]
}"#,
    headers: &[],
    success: "body.success == true",
};

static MATRIX_HOOKSHOT: Preset = Preset {
    name: "matrix_hookshot",
    content_type: JSON,
    body: r#"
{%- set who = incident.assignee.name if incident.assignee else "nobody" -%}
{
  "username": "OpsKnight",
  "text": "{{ mark }} {{ test_mark }}{{ happened | quiet }}: {{ incident.title | quiet | cut(1000) }} ({{ incident.severity }}, {{ incident.service.name | quiet | cut(300) }}) {{ links.incident or '' }}",
  "html": "{{ mark }} {{ test_mark }}<b>{{ incident.title | quiet | cut(1000) | html }}</b><br>{{ happened | quiet | html }} · {{ incident.severity }} · {{ incident.service.name | quiet | cut(300) | html }}<br>Assignee: {{ who | quiet | cut(300) | html }}{% if links.incident %}<br><a href=\"{{ links.incident | html }}\">Open incident</a>{% endif %}"
}"#,
    headers: &[],
    success: "",
};

static NTFY: Preset = Preset {
    name: "ntfy",
    content_type: "text/plain; charset=utf-8",
    body: "\
{{ happened }} · {{ incident.severity }} · {{ incident.service.name | line | cut(300) }}
Assignee: {{ incident.assignee.name | line | cut(300) if incident.assignee else 'nobody' }}",
    headers: &[
        (
            "title",
            "{{ mark }} {{ test_mark }}{{ number_mark }}{{ incident.title | cut(250) }}",
        ),
        (
            "priority",
            "{{ { 'critical': 5, 'error': 4, 'warning': 3, 'info': 2 }[incident.severity] \
             if incident.status == 'triggered' else 3 }}",
        ),
        ("tags", "{{ incident.severity }},{{ incident.status }}"),
        ("click", "{{ links.incident }}"),
    ],
    success: "",
};

static GOTIFY: Preset = Preset {
    name: "gotify",
    content_type: JSON,
    body: r#"{
  "title": "{{ mark }} {{ test_mark }}{{ number_mark }}{{ incident.title | line | cut(250) }}",
  "message": "{{ happened }} · {{ incident.severity }} · {{ incident.service.name | line | cut(300) }}",
  "priority": {{ 8 if incident.status == "triggered" and incident.severity in ["critical", "error"] else 5 }}
  {%- if links.incident %},
  "extras": { "client::notification": { "click": { "url": "{{ links.incident }}" } } }
  {%- endif %}
}"#,
    headers: &[],
    success: "",
};

/// A text has no markup there, and calls only whom the body names beside it.
static DINGTALK: Preset = Preset {
    name: "dingtalk",
    content_type: JSON,
    body: r#"{
  "msgtype": "text",
  "text": {
    "content": "{{ mark }} {{ test_mark }}{{ number_mark }}{{ incident.title | quiet | cut(1000) }}\n{{ happened | quiet }} · {{ incident.severity }} · {{ incident.service.name | quiet | cut(300) }}\nAssignee: {{ incident.assignee.name | quiet | cut(300) if incident.assignee else 'nobody' }}\nOpsKnight {{ links.incident or '' }}"
  }
}"#,
    headers: &[],
    success: "body.errcode == 0",
};

/// Rich text of parts, of which a text is never markup; the kind `text` would read `<at …>`.
static FEISHU: Preset = Preset {
    name: "feishu",
    content_type: JSON,
    body: r#"{
  "msg_type": "post",
  "content": {
    "post": {
      "en_us": {
        "title": "{{ mark }} {{ test_mark }}{{ number_mark }}{{ incident.title | quiet | cut(1000) }}",
        "content": [
          [{ "tag": "text", "text": "OpsKnight: {{ happened | quiet }} · {{ incident.severity }} · {{ incident.service.name | quiet | cut(300) }}" }],
          [{ "tag": "text", "text": "Assignee: {{ incident.assignee.name | quiet | cut(300) if incident.assignee else 'nobody' }}" }]
          {%- if links.incident %},
          [{ "tag": "a", "text": "Open incident", "href": "{{ links.incident }}" }]
          {%- endif %}
        ]
      }
    }
  }
}"#,
    headers: &[],
    success: "(has(body.code) && body.code == 0) || (has(body.StatusCode) && body.StatusCode == 0)",
};

/// At most 2,048 bytes: the parts are cut so that they fit in any script.
static WECOM: Preset = Preset {
    name: "wecom",
    content_type: JSON,
    body: r#"{
  "msgtype": "text",
  "text": {
    "content": "{{ mark }} {{ test_mark }}{{ incident.title | quiet | cut(220) }}\n{{ happened | quiet | cut(60) }} · {{ incident.severity }} · {{ incident.service.name | quiet | cut(50) }}\nAssignee: {{ incident.assignee.name | quiet | cut(50) if incident.assignee else 'nobody' }}\n{{ links.incident or '' }}"
  }
}"#,
    headers: &[],
    success: "body.errcode == 0",
};

/// Zulip's Markdown knows no backslash, but entities. The channel stands in the URL; each incident is a topic.
static ZULIP: Preset = Preset {
    name: "zulip",
    content_type: "application/x-www-form-urlencoded",
    body: "type=stream\
&topic={{ (test_mark ~ number_mark ~ incident.title) | line | cut(60) }}\
&content={{ mark }}%20**{{ happened | entities }}**%20%C2%B7%20{{ incident.severity }}\
%20%C2%B7%20{{ incident.service.name | cut(300) | entities }}%0A{{ incident.title | cut(1000) | entities }}\
%0AAssignee:%20{{ incident.assignee.name | cut(300) | entities if incident.assignee else 'nobody' }}\
{% if links.incident %}%0A{{ links.incident }}{% endif %}",
    headers: &[],
    success: "body.result == 'success'",
};

/// A text has no markup there; its `markdown` would.
static WEBEX: Preset = Preset {
    name: "webex",
    content_type: JSON,
    body: r#"{
  "text": "{{ mark }} {{ test_mark }}{{ number_mark }}{{ incident.title | quiet | cut(1000) }}\n{{ happened | quiet }} · {{ incident.severity }} · {{ incident.service.name | quiet | cut(300) }}\nAssignee: {{ incident.assignee.name | quiet | cut(300) if incident.assignee else 'nobody' }}\n{{ links.incident or '' }}"
}"#,
    headers: &[],
    success: "",
};

/// Its `token` and `user` are form fields of the settings. A text has no markup there unless `html` asks for it.
static PUSHOVER: Preset = Preset {
    name: "pushover",
    content_type: "application/x-www-form-urlencoded",
    body: "title={{ (mark ~ ' ' ~ test_mark ~ number_mark ~ incident.title) | line | cut(250) }}\
&message={{ happened | line | cut(300) }}%20%C2%B7%20{{ incident.severity }}\
%20%C2%B7%20{{ incident.service.name | line | cut(300) }}\
%0AAssignee:%20{{ incident.assignee.name | line | cut(300) if incident.assignee else 'nobody' }}\
&priority={{ 1 if incident.status == 'triggered' and incident.severity in ['critical', 'error'] else 0 }}\
{% if links.incident %}&url={{ links.incident }}&url_title=Open%20incident{% endif %}",
    headers: &[],
    success: "body.status == 1",
};

/// Its `To` and `From` are form fields of the settings. Short: each part of a message costs.
static TWILIO: Preset = Preset {
    name: "twilio",
    content_type: "application/x-www-form-urlencoded",
    body: "Body={{ test_mark }}{{ happened | line | cut(60) }}:%20{{ incident.title | line | cut(120) }}\
%20({{ incident.severity }},%20{{ incident.service.name | line | cut(40) }})\
{% if links.incident %}%20{{ links.incident }}{% endif %}",
    headers: &[],
    success: "",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_is_a_preset_and_the_other_way_round() {
        assert_eq!(
            CHOICES.map(|(name, _)| preset(name).name),
            CHOICES.map(|(name, _)| name)
        );
        assert_eq!(PRESETS.map(|preset| preset.name), CHOICES.map(|(name, _)| name));
        assert_eq!(preset("").name, "opsknight");
    }
}
