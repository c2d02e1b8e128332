//! Which steps an issue can take, and taking one. The usual workflow is Jira's simplified one: every status can be
//! reached from everywhere, itself included, and its own rules set and clear the resolution.

use serde_json::{Value, json};

use crate::jira::answer::{Answer, Refusal};
use crate::jira::comments;
use crate::jira::issue::Issue;
use crate::jira::request::{Api, Asked, View};
use crate::jira::setting;
use crate::jira::site::{
    Category, DEFAULT_PRIORITY, DEFAULT_RESOLUTION, Entry, PRIORITIES, RESOLUTIONS, Status, by_id,
};
use crate::jira::world::World;

/// The steps that an issue can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workflow {
    /// From everywhere to everywhere.
    Open,
    /// To Done only through In Progress and In Review.
    LongWay,
}

/// Whether steps are shown with what their screens want.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screens {
    /// With it.
    Shown,
    /// Without it.
    Hidden,
}

impl Screens {
    /// As a request asks for it.
    pub fn of(asked: &Asked<'_>) -> Self {
        if asked.expands("transitions.fields") {
            Self::Shown
        } else {
            Self::Hidden
        }
    }
}

/// A step.
#[derive(Debug, Clone)]
pub struct Transition {
    /// Its id.
    pub id: &'static str,
    /// What it is called.
    pub name: String,
    /// Where it leads.
    pub to: &'static Status,
    /// Whether it asks for the resolution.
    pub has_screen: bool,
}

/// The priority of an issue that was given none.
pub fn default_priority() -> &'static Entry {
    let [first, ..] = &PRIORITIES;
    by_id(&PRIORITIES, DEFAULT_PRIORITY).unwrap_or(first)
}

/// The steps that an issue can take now.
pub fn transitions(world: &World, issue: &Issue) -> Vec<Transition> {
    let statuses = &issue.project.statuses;
    let steps: Vec<(&'static str, &'static Status)> = match issue.workflow {
        Workflow::Open => vec![
            ("11", &statuses.open),
            ("21", &statuses.in_progress),
            ("41", &statuses.in_review),
            ("31", &statuses.done),
        ],
        Workflow::LongWay if issue.fields.status == &statuses.open => vec![("21", &statuses.in_progress)],
        Workflow::LongWay if issue.fields.status == &statuses.in_progress => {
            vec![("61", &statuses.open), ("41", &statuses.in_review)]
        }
        Workflow::LongWay if issue.fields.status == &statuses.in_review => {
            vec![("51", &statuses.in_progress), ("31", &statuses.done)]
        }
        Workflow::LongWay => vec![("11", &statuses.open)],
    };
    let canceling =
        (world.lasting.has_many_ends && issue.workflow == Workflow::Open).then_some(("5", &statuses.dropped));
    let steps = canceling.into_iter().chain(steps);
    let transition = |(id, to): (&'static str, &'static Status)| Transition {
        id,
        name: to.name.to_owned(),
        to,
        has_screen: world.lasting.needs_resolution && to.category == Category::Done,
    };
    steps.map(transition).collect()
}

/// The steps as Jira shows them.
pub fn transitions_json(world: &World, issue: &Issue, view: &View, screens: Screens) -> Value {
    let shown = |transition: Transition| {
        let mut json = json!({
            "id": transition.id,
            "name": transition.name,
            "to": transition.to.json(view),
            "hasScreen": transition.has_screen,
            "isGlobal": issue.workflow == Workflow::Open,
            "isInitial": false,
            "isConditional": false,
            "isLooped": false,
        });
        if let (Api::Three, Value::Object(members)) = (view.api, &mut json) {
            members.insert("isAvailable".to_owned(), Value::Bool(true));
        }
        if let (true, Value::Object(members)) = (screens == Screens::Shown, &mut json) {
            members.insert("fields".to_owned(), screen(&transition, view));
        }
        json
    };
    transitions(world, issue).into_iter().map(shown).collect()
}

fn screen(transition: &Transition, view: &View) -> Value {
    if !transition.has_screen {
        return json!({});
    }
    let allowed: Vec<Value> = RESOLUTIONS
        .iter()
        .map(|resolution| resolution.json(view, "resolution"))
        .collect();
    json!({
        "resolution": {
            "required": true,
            "schema": { "type": "resolution", "system": "resolution" },
            "name": "Resolution",
            "key": "resolution",
            "hasDefaultValue": false,
            "operations": ["set"],
            "allowedValues": allowed,
        },
    })
}

/// `GET …/transitions`.
pub fn list(world: &World, asked: &Asked<'_>, id_or_key: &str) -> Result<Answer, Refusal> {
    let issue = world.find(asked, id_or_key)?;
    let mut transitions = transitions_json(world, issue, &asked.view, Screens::of(asked));
    if let (Some(wanted), Value::Array(list)) = (asked.query("transitionId"), &mut transitions) {
        list.retain(|transition| transition.get("id").is_some_and(|id| id == wanted));
    }
    let body = json!({ "expand": "transitions", "transitions": transitions });
    Ok(Answer::new(
        200,
        body,
        format!("showed the transitions of {}", issue.key()),
    ))
}

/// `POST …/transitions`.
pub fn take(world: &mut World, asked: &Asked<'_>, id_or_key: &str) -> Result<Answer, Refusal> {
    let issue = world.find(asked, id_or_key)?;
    let (id, key, before) = (issue.id, issue.key(), issue.fields.clone());
    let members = asked.members()?;
    let wanted = members
        .get("transition")
        .and_then(|transition| transition.get("id"));
    let wanted = wanted.and_then(|id| {
        id.as_str()
            .map(str::to_owned)
            .or_else(|| id.as_u64().map(|id| id.to_string()))
    });
    let Some(wanted) = wanted else {
        return Err(Refusal::said(400, "Missing 'transition' identifier"));
    };
    let transition = transitions(world, issue)
        .into_iter()
        .find(|transition| transition.id == wanted);
    let Some(transition) = transition else {
        return Err(Refusal::said(
            400,
            format!("Transition id '{wanted}' is not valid for this issue."),
        ));
    };
    let screen: &[&str] = if transition.has_screen {
        &["resolution", "comment"]
    } else {
        &[]
    };
    let change = setting::Change::read(&members)?;
    let mut draft = before;
    let comments = change.apply(world, asked, issue.project, screen, &mut draft)?;
    let has_resolution = change.names("resolution") && draft.resolution.is_some();
    if transition.has_screen && !has_resolution {
        return Err(Refusal::field(400, "resolution", "Resolution is required."));
    }
    draft.status = transition.to;
    draft.resolution = match transition.to.category {
        Category::Done => draft
            .resolution
            .or_else(|| by_id(&RESOLUTIONS, DEFAULT_RESOLUTION)),
        Category::New | Category::Indeterminate => None,
    };
    world.change(asked, id, draft, "issue_generic");
    comments.into_iter().for_each(|body| {
        comments::write(world, asked, id, body);
    });
    Ok(Answer::empty(204, format!("moved {key} to {}", transition.to.name)).about(id))
}
