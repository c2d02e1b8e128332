//! What a kind of webhook says about itself: how people call it, what its form asks for, how to get what it asks for.
//! The pages, the checks of the API and the documents are made from this, so that a kind describes itself in one place.

/// One kind of webhook, as people see it.
#[derive(Debug)]
pub struct KindDescription {
    /// Its stable name in the API: lower-case letters, digits and underscores.
    pub kind: &'static str,
    /// What people call it.
    pub name: &'static str,
    /// One sentence for whoever chooses a kind.
    pub summary: &'static str,
    /// What its URL is.
    pub url: UrlField,
    /// What it asks for beyond name, URL and events.
    pub fields: &'static [Field],
    /// How to get what it asks for, step by step. Plain sentences; `{callback}` stands for the webhook's callback address.
    pub steps: &'static [&'static str],
    /// Whether requests carry our signatures, delivery id and attempt number.
    pub signature: Signature,
    /// What a good answer means.
    pub confirmation: Confirmation,
}

impl KindDescription {
    /// Whether it asks for secrets.
    pub fn has_secrets(&self) -> bool {
        self.fields.iter().any(Field::is_secret)
    }

    /// Whether something may be done to an incident from this kind's messages: it has a field for that.
    pub fn offers_actions(&self) -> bool {
        self.fields.iter().any(|field| field.name == "actions")
    }
}

/// What the URL of a kind is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlField {
    /// Where events go; it may be seen.
    Open {
        /// An example.
        placeholder: &'static str,
        /// A sentence beside the field.
        hint: &'static str,
    },
    /// Where events go; whoever knows it may post there, so that it is sealed and never shown.
    Secret {
        /// An example.
        placeholder: &'static str,
        /// A sentence beside the field.
        hint: &'static str,
    },
    /// A server that is no web server; it may be seen.
    Server {
        /// The schemes that it may have.
        schemes: &'static [&'static str],
        /// An example.
        placeholder: &'static str,
        /// A sentence beside the field.
        hint: &'static str,
    },
    /// The root of the platform's API; seldom another than this.
    Root {
        /// The platform's own.
        default: &'static str,
    },
}

/// Whether requests of a kind are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signature {
    /// They carry our signatures and headers.
    Ours,
    /// The platform knows no signatures: none is sent.
    None,
}

/// What a good answer of a kind means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmation {
    /// It was taken.
    Taken,
    /// It was queued; whether it is ever shown is not told.
    QueuedOnly,
}

/// One field of a kind's form.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its stable name in the API.
    pub name: &'static str,
    /// What people call it.
    pub label: &'static str,
    /// A sentence beside it.
    pub hint: &'static str,
    /// An example.
    pub placeholder: &'static str,
    /// How it is filled in.
    pub input: Input,
    /// Whether it must be filled in.
    pub need: Need,
    /// What holds if it is left empty.
    pub default: &'static str,
    /// The heading under which it is folded away, with its neighbours of the same heading; empty if it is always in view.
    pub collapsed_group: &'static str,
}

impl Field {
    /// A line that may be left empty; the base of most fields.
    pub const LINE: Self = Self {
        name: "",
        label: "",
        hint: "",
        placeholder: "",
        input: Input::Line,
        need: Need::Optional,
        default: "",
        collapsed_group: "",
    };

    /// Whether its value is a secret: sealed and never read back.
    pub fn is_secret(&self) -> bool {
        self.input == Input::Secret
    }
}

/// The heading of what says how times are written.
const TIMES: &str = "Times";

/// In which zone a kind that writes times for people writes them.
pub const TIME_ZONE: Field = Field {
    name: "timeZone",
    label: "Time zone",
    hint: "For the times in what is sent, such as Europe/Berlin. UTC if it is empty.",
    placeholder: "UTC",
    input: Input::TimeZone,
    collapsed_group: TIMES,
    ..Field::LINE
};

/// By which clock it writes them: the words are those of [`ClockFormat`](model::display::ClockFormat).
pub const CLOCK: Field = Field {
    name: "clock",
    label: "Clock",
    hint: "For the same times.",
    input: Input::Choice(&[("hours24", "24 hours: 13:00"), ("hours12", "12 hours: 1:00 pm")]),
    default: "hours24",
    collapsed_group: TIMES,
    ..Field::LINE
};

/// How a field is filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    Line,
    /// A line that is an address which requests go to: it must be one that they may go to.
    Url,
    /// A line that is the name of a time zone.
    TimeZone,
    /// A line of servers beside the URL's, which get what is secret as it does.
    Servers,
    /// A line that is a secret.
    Secret,
    /// A text of several lines, such as a template.
    Lines,
    /// One of these: value and what it means.
    Choice(&'static [(&'static str, &'static str)]),
}

/// Whether a field must be filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It must.
    Required,
    /// It may be left empty.
    Optional,
}

/// The longest value of a field, in bytes.
pub const MAX_FIELD_BYTES: usize = 16 * 1024;

/// What is wrong with a value of a kind's form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The field's name, or `url`.
    pub field: &'static str,
    /// A stable code, such as `invalid_value`.
    pub code: &'static str,
    /// One sentence for people, lower case, no full stop.
    pub detail: String,
}
