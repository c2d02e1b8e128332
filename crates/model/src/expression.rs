//! Expressions that users write, in CEL: checked when they are read, and refused unless the work that they can cost at most
//! is known beforehand. Nothing can stop one once it runs, and filters run on the thread that writes the store.

mod work;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use cel::{Context, Env, Program};

pub use cel::Value;

/// The longest expression, in bytes.
pub const MAX_EXPRESSION_BYTES: usize = 1024;
/// The deepest nesting of brackets.
pub const MAX_NESTING: usize = 24;
/// The deepest nesting of an expression's parts, of which `a || b || c` has one for each operator.
pub const MAX_DEPTH: usize = 200;
/// How many of the macros that loop over a list one expression may have: loops within loops multiply.
pub const MAX_LOOPS: usize = 1;

/// The functions of the language, made once: each evaluation shares them.
static LANGUAGE: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// What an expression may name, and how much it may cost.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The names that it may use.
    pub names: &'static [&'static str],
    /// The largest value of a name: a unit for each byte of text and each value in it.
    pub value_size: u64,
    /// The most work, in steps that take about a nanosecond each: a byte that is read or copied is one.
    pub work: u64,
}

/// A checked expression.
#[derive(Clone)]
pub struct Expression {
    source: String,
    program: Arc<Program>,
}

/// Why an expression was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidExpression {
    /// More than [`MAX_EXPRESSION_BYTES`].
    #[error("the expression is longer than {MAX_EXPRESSION_BYTES} bytes")]
    TooLong,
    /// More than [`MAX_NESTING`] brackets, or [`MAX_DEPTH`] parts, inside each other.
    #[error("the expression nests its parts too deeply")]
    TooDeep,
    /// More than [`MAX_LOOPS`] looping macros.
    #[error("the expression loops over lists more than once")]
    TooManyLoops,
    /// More than the work of [`Bounds`].
    #[error("the expression could take too long: join fewer texts, or try fewer words")]
    TooMuchWork,
    /// Not CEL.
    #[error("{0}")]
    NotCel(String),
    /// A name that does not exist.
    #[error("unknown name {name:?}: use {}", known.join(", "))]
    UnknownName {
        /// As it is written.
        name: String,
        /// Those that there are.
        known: &'static [&'static str],
    },
    /// A function that does not exist.
    #[error("unknown function {0:?}: for texts there are contains, startsWith, endsWith and size")]
    UnknownFunction(String),
    /// A part of the language that makes no sense here.
    #[error("the expression must not make messages: write a list or a comparison")]
    Message,
    /// Evaluates to something else than true or false, or fails.
    #[error("the expression must be true or false for an event, but {0}")]
    NotBoolean(String),
    /// Has no value.
    #[error("the expression {0}")]
    NoValue(String),
}

impl Expression {
    /// Checks an expression: its size, its syntax, its names and functions, and the work that it can cost.
    pub fn parse(source: &str, bounds: &Bounds) -> Result<Self, InvalidExpression> {
        check_form(source)?;
        let program = compile(source)?;
        if work::of(&program, bounds)? > bounds.work {
            return Err(InvalidExpression::TooMuchWork);
        }
        Ok(Self {
            source: source.to_owned(),
            program: Arc::new(program),
        })
    }

    /// The expression as the user wrote it.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether the expression holds, or the sentence that says why that cannot be told. The values must be within the
    /// [`Bounds`] that it was read with.
    pub fn evaluate<'a>(
        &self,
        values: impl IntoIterator<Item = (&'a str, Value)>,
    ) -> Result<bool, InvalidExpression> {
        match self.execute(values).map_err(InvalidExpression::NotBoolean)? {
            Value::Bool(passes) => Ok(passes),
            other => Err(InvalidExpression::NotBoolean(format!(
                "gives {}",
                other.type_of()
            ))),
        }
    }

    /// The expression's value, whatever it is, or the sentence that says why it has none. The values must be within the
    /// [`Bounds`] that it was read with.
    pub fn evaluate_value<'a>(
        &self,
        values: impl IntoIterator<Item = (&'a str, Value)>,
    ) -> Result<Value, InvalidExpression> {
        self.execute(values).map_err(InvalidExpression::NoValue)
    }

    fn execute<'a>(&self, values: impl IntoIterator<Item = (&'a str, Value)>) -> Result<Value, String> {
        let mut context = Context::with_env(Arc::clone(&LANGUAGE));
        for (name, value) in values {
            context.add_variable_from_value(name, value);
        }
        let result = catch_unwind(AssertUnwindSafe(|| self.program.execute(&context)));
        match result {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(format!("fails: {error}")),
            Err(_) => Err("cannot be evaluated".into()),
        }
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Expression {}

impl std::fmt::Debug for Expression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Expression").field(&self.source).finish()
    }
}

/// What can be told before it is read: reading takes time and room, too.
fn check_form(source: &str) -> Result<(), InvalidExpression> {
    if source.len() > MAX_EXPRESSION_BYTES {
        return Err(InvalidExpression::TooLong);
    }
    let mut depth: usize = 0;
    let mut deepest: usize = 0;
    for character in source.chars() {
        match character {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    match deepest > MAX_NESTING {
        true => Err(InvalidExpression::TooDeep),
        false => Ok(()),
    }
}

/// Compiles with the parser's own panics turned into refusals: its input is whatever a user typed.
fn compile(source: &str) -> Result<Program, InvalidExpression> {
    match catch_unwind(|| Program::compile(source)) {
        Ok(Ok(program)) => Ok(program),
        Ok(Err(errors)) => {
            let first = errors.errors.first();
            let sentence = first.map_or_else(
                || "the expression cannot be read".to_owned(),
                |error| format!("line {}, column {}: {}", error.pos.0, error.pos.1, error.msg),
            );
            Err(InvalidExpression::NotCel(sentence))
        }
        Err(_) => Err(InvalidExpression::NotCel("the expression cannot be read".into())),
    }
}

/// A value of JSON as CEL has it.
pub fn value(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(truth) => Value::Bool(*truth),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(whole) => Value::Int(whole),
            None => Value::Float(number.as_f64().unwrap_or_default()),
        },
        serde_json::Value::String(text) => Value::from(text.clone()),
        serde_json::Value::Array(values) => Value::from(values.iter().map(value).collect::<Vec<_>>()),
        serde_json::Value::Object(members) => {
            let members = members.iter().map(|(name, member)| (name.clone(), value(member)));
            Value::from(members.collect::<std::collections::HashMap<_, _>>())
        }
    }
}

/// A value as people read it: texts and numbers as they are, a list's joined by commas, nothing of what has no text.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.to_string(),
        Value::Int(number) => number.to_string(),
        Value::UInt(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::List(values) => {
            let texts: Vec<String> = values.iter().map(text).filter(|text| !text.is_empty()).collect();
            texts.join(", ")
        }
        Value::Null
        | Value::Map(_)
        | Value::Function(..)
        | Value::Bytes(_)
        | Value::Opaque(_)
        | Value::Struct(_) => String::new(),
    }
}

#[cfg(test)]
mod tests;
