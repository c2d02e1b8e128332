//! One route: where it is, who may call it, what it takes and gives, and the function behind it.

use axum::Router;
use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, MethodRouter, on};
use serde_json::{Map, Value, json};
use utoipa::openapi::path::ParameterIn;
use utoipa::{IntoParams, ToSchema};

use crate::guard::{Access, Location, Repetition, Restricted, RoutePolicy, guard};
use crate::own_session::admit;
use crate::problem::Code;
use crate::state::ApiState;
use crate::words;
use model::access::Scope;
use store::Page;
use strum::IntoStaticStr;

/// What stands before the name of a schema.
const SCHEMAS: &str = "#/components/schemas/";

/// A method that routes have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Verb {
    /// Reads.
    Get,
    /// Creates or does.
    Post,
    /// Changes; what is absent stays as it is.
    Patch,
    /// The same as [`Verb::Patch`].
    Put,
    /// Deletes.
    Delete,
}

impl Verb {
    /// As the OpenAPI document writes it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
            Self::Patch => MethodFilter::PATCH,
            Self::Put => MethodFilter::PUT,
            Self::Delete => MethodFilter::DELETE,
        }
    }
}

/// One answer of a route, for the OpenAPI document.
pub struct Answers {
    /// The status.
    pub status: u16,
    /// The media type; nothing without a body.
    pub media_type: Option<&'static str>,
    /// The schema of the body.
    pub schema: Value,
}

/// One route.
pub struct Route {
    /// The method.
    pub verb: Verb,
    /// The path, with `{id}` where an id stands.
    pub path: &'static str,
    /// What it does.
    pub summary: &'static str,
    /// What the guard does for it.
    pub rule: RoutePolicy,
    /// The query parameters, as the OpenAPI document shows them.
    pub parameters: Vec<Value>,
    /// The schema of the body that it takes, and whether there must be one.
    pub takes: Option<(Value, bool)>,
    /// The problems that it may answer with beyond those that follow from the rest.
    pub fails: Vec<Code>,
    /// What it answers when all is well.
    pub answers: Vec<Answers>,
    /// Schemas that the ones above refer to, by name.
    pub schemas: Map<String, Value>,
    handler: MethodRouter<ApiState>,
}

impl Route {
    /// A route that needs a scope.
    pub fn new<H, T>(verb: Verb, path: &'static str, scope: Scope, summary: &'static str, handler: H) -> Self
    where
        H: Handler<T, ApiState>,
        T: 'static,
    {
        let repetition = match verb {
            Verb::Post => Repetition::KeptAround,
            Verb::Get | Verb::Patch | Verb::Put | Verb::Delete => Repetition::NotKept,
        };
        Self {
            verb,
            path,
            summary,
            rule: RoutePolicy {
                access: Access::Scope(scope),
                restricted: Restricted::Refused,
                repetition,
                location: Location::None,
            },
            parameters: Vec::new(),
            takes: None,
            fails: Vec::new(),
            answers: Vec::new(),
            schemas: Map::new(),
            handler: on(verb.filter(), handler),
        }
    }

    /// Lets in whom `access` says, instead of keys with a scope. Such a route keeps no answers: nobody owns them.
    pub fn open_to(mut self, access: Access) -> Self {
        self.rule = RoutePolicy {
            access,
            restricted: Restricted::Refused,
            repetition: Repetition::NotKept,
            location: Location::None,
        };
        self
    }

    /// Lets keys in that are restricted to services or events: its function shows them no more than that.
    pub fn filtered(mut self) -> Self {
        self.rule.restricted = Restricted::Filtered;
        self
    }

    /// Keeps its answers in the transaction of its change.
    pub fn kept_by_store(mut self) -> Self {
        self.rule.repetition = Repetition::KeptByStore;
        self
    }

    /// Lets tokens in too that were made with a key of this scope.
    pub fn takes_stream_tokens(mut self, scope: Scope) -> Self {
        self.rule.access = Access::Stream(scope);
        self
    }

    /// Keeps no answers: what it answers is a secret, and asking again makes another.
    pub fn not_kept(mut self) -> Self {
        self.rule.repetition = Repetition::NotKept;
        self
    }

    /// May answer with these problems too.
    pub fn fails(mut self, codes: &[Code]) -> Self {
        self.fails.extend(codes);
        self
    }

    /// Takes query parameters.
    pub fn asks<T: IntoParams>(mut self) -> Self {
        let parameters = T::into_params(|| Some(ParameterIn::Query));
        let parameters = parameters.iter().map(serde_json::to_value);
        self.parameters.extend(parameters.flatten().map(as_in_address));
        self
    }

    /// Takes a JSON body.
    pub fn takes<T: ToSchema>(mut self) -> Self {
        self.takes = Some((self.reference::<T>(), true));
        self
    }

    /// Takes a JSON body that creates what `T` changes: a schema of its own, in which these members are required.
    pub fn creates_by<T: ToSchema>(mut self, name: &'static str, required: &[&str]) -> Self {
        self.reference::<T>();
        let mut schema = self.schemas.get(&*T::name()).cloned().unwrap_or_default();
        schema["required"] = json!(required);
        self.schemas.insert(name.to_owned(), schema);
        self.takes = Some((json!({ "$ref": format!("{SCHEMAS}{name}") }), true));
        self
    }

    /// Takes a JSON body, or none.
    pub fn may_take<T: ToSchema>(mut self) -> Self {
        self.takes = Some((self.reference::<T>(), false));
        self
    }

    /// Answers with JSON.
    pub fn gives<T: ToSchema>(mut self, status: u16) -> Self {
        let schema = self.reference::<T>();
        self.gives_content(status, "application/json", schema)
    }

    /// Answers with a page of a list.
    pub fn lists<T: ToSchema>(mut self) -> Self {
        let schema = json!({
            "type": "object",
            "required": ["items", "nextCursor"],
            "additionalProperties": false,
            "properties": {
                "items": { "type": "array", "items": self.reference::<T>() },
                "nextCursor": { "type": ["string", "null"], "description": "For the next page; null on the last. A page may have fewer items than `limit`, or none, and still a next one: a list of what no index knows looks at 20,000 rows at a time" },
            },
        });
        self.gives_content(200, "application/json", schema)
    }

    /// Answers with something else than JSON.
    pub fn gives_text(self, media_type: &'static str) -> Self {
        self.gives_content(200, media_type, json!({ "type": "string" }))
    }

    /// Answers without a body.
    pub fn gives_nothing(mut self) -> Self {
        self.answers.push(Answers {
            status: 204,
            media_type: None,
            schema: Value::Null,
        });
        self
    }

    fn gives_content(mut self, status: u16, media_type: &'static str, schema: Value) -> Self {
        self.answers.push(Answers {
            status,
            media_type: Some(media_type),
            schema,
        });
        self
    }

    /// Adds the route to a router, behind its guard.
    pub fn add_to(self, router: Router<ApiState>, state: &ApiState) -> Router<ApiState> {
        let layer = from_fn_with_state((state.clone(), self.rule), guard);
        router.route(self.path, self.handler.route_layer(layer))
    }

    /// Adds the route to a router that people read from, behind the guard for those.
    pub fn add_to_reads(self, router: Router<ApiState>, state: &ApiState, scope: Scope) -> Router<ApiState> {
        let layer = from_fn_with_state((state.clone(), scope), admit);
        router.route(self.path, self.handler.route_layer(layer))
    }

    /// A reference to a schema, which is kept with all that it refers to.
    fn reference<T: ToSchema>(&mut self) -> Value {
        let mut schemas = vec![(T::name().into_owned(), T::schema())];
        T::schemas(&mut schemas);
        for (name, schema) in schemas {
            let schema = words::in_full(&name).unwrap_or(schema);
            if let Ok(schema) = serde_json::to_value(schema) {
                self.schemas.insert(name, schema);
            }
        }
        json!({ "$ref": format!("{SCHEMAS}{}", T::name()) })
    }
}

/// A parameter as it can stand in an address: never null, and a limit within its bounds.
fn as_in_address(mut parameter: Value) -> Value {
    parameter["schema"] = match parameter["name"] == "limit" {
        true => json!({
            "type": "integer", "minimum": 1, "maximum": Page::MAX_LIMIT, "default": Page::DEFAULT_LIMIT,
        }),
        false => without_null(parameter["schema"].take()),
    };
    parameter
}

fn without_null(mut schema: Value) -> Value {
    let choices = schema["oneOf"].as_array().into_iter().flatten();
    if let Some(choice) = choices.into_iter().find(|choice| choice["type"] != "null") {
        return choice.clone();
    }
    let types = schema["type"].as_array().into_iter().flatten();
    if let Some(kind) = types.into_iter().find(|kind| *kind != "null").cloned() {
        schema["type"] = kind;
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_parameter_of_an_address_can_be_null() {
        let schemas = [
            json!({ "type": ["string", "null"], "format": "date-time" }),
            json!({ "oneOf": [{ "type": "null" }, { "$ref": "#/x" }] }),
            json!({ "type": "boolean" }),
        ];
        let expected = [
            json!({ "type": "string", "format": "date-time" }),
            json!({ "$ref": "#/x" }),
            json!({ "type": "boolean" }),
        ];
        assert_eq!(schemas.map(without_null), expected);
    }
}
