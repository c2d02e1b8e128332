//! The most work that an expression can cost, whatever the values of its names: found by walking through it once.
//!
//! Each part is given the work of evaluating it and the size of its value, both as the most that they can be. What a
//! function does is linear in what it is given, and there are no loops within loops, so that a loop's work is that of its
//! average element times their number.

use cel::Program;
use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SelectExpr, operators,
};

use crate::expression::{Bounds, InvalidExpression, MAX_DEPTH, MAX_LOOPS};

/// What evaluating one part takes beside reading its values, in the units of [`Bounds::work`].
const PART: u64 = 64;
/// The size of a number.
const NUMBER: u64 = 16;
/// The longest text that is made from a number: the largest have 309 digits.
const NUMBER_AS_TEXT: u64 = 400;

/// The most work that a program can cost.
pub(super) fn of(program: &Program, bounds: &Bounds) -> Result<u64, InvalidExpression> {
    let mut walk = Walk {
        bounds,
        local: Vec::new(),
        loops: 0,
        depth: 0,
    };
    walk.part(program.expression()).map(|cost| cost.work)
}

/// What a part costs at most.
#[derive(Debug, Clone, Copy)]
struct Cost {
    /// To evaluate it.
    work: u64,
    /// How large its value is.
    size: u64,
}

impl Cost {
    fn and(self, other: Self) -> Self {
        Self {
            work: self.work.saturating_add(other.work),
            size: self.size.saturating_add(other.size),
        }
    }

    fn with_size(self, size: u64) -> Self {
        Self { size, ..self }
    }

    /// The work of one more part that reads so much.
    fn reading(self, size: u64) -> Self {
        let work = self.work.saturating_add(PART).saturating_add(size);
        Self { work, ..self }
    }
}

struct Walk<'a> {
    bounds: &'a Bounds,
    /// Names that a macro brings with it, and how large their values are.
    local: Vec<(&'a str, u64)>,
    loops: usize,
    depth: usize,
}

const NOTHING: Cost = Cost { work: 0, size: 0 };

impl<'a> Walk<'a> {
    fn part(&mut self, part: &'a IdedExpr) -> Result<Cost, InvalidExpression> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(InvalidExpression::TooDeep);
        }
        let cost = match &part.expr {
            Expr::Literal(literal) => NOTHING.reading(0).with_size(literal_size(literal)),
            Expr::Ident(name) => NOTHING.reading(0).with_size(self.value_size(name)?),
            Expr::Select(select) => self.select(select)?,
            Expr::Call(call) => self.call(call)?,
            Expr::List(list) => self.all_of(&list.elements)?,
            Expr::Map(map) => {
                let mut all = NOTHING;
                for entry in &map.entries {
                    let EntryExpr::MapEntry(entry) = &entry.expr else {
                        return Err(InvalidExpression::Message);
                    };
                    all = all.and(self.part(&entry.key)?).and(self.part(&entry.value)?);
                }
                let size = all.size.saturating_add(1 + 2 * count(map.entries.len()));
                all.reading(size).with_size(size)
            }
            Expr::Comprehension(comprehension) => self.comprehension(comprehension)?,
            Expr::Struct(_) | Expr::Unspecified => return Err(InvalidExpression::Message),
        };
        self.depth -= 1;
        Ok(cost)
    }

    /// Several parts, made into one value.
    fn all_of(&mut self, parts: &'a [IdedExpr]) -> Result<Cost, InvalidExpression> {
        let mut all = NOTHING;
        for part in parts {
            all = all.and(self.part(part)?);
        }
        let size = all.size.saturating_add(1 + count(parts.len()));
        Ok(all.reading(size).with_size(size))
    }

    fn value_size(&self, name: &str) -> Result<u64, InvalidExpression> {
        let local = self.local.iter().rev().find(|(local, _)| *local == name);
        if let Some((_, size)) = local {
            return Ok(*size);
        }
        match self.bounds.names.contains(&name) {
            true => Ok(self.bounds.value_size),
            false => Err(InvalidExpression::UnknownName {
                name: name.to_owned(),
                known: self.bounds.names,
            }),
        }
    }

    /// A field of what a name stands for is borrowed; of what was made here it is copied.
    fn select(&mut self, select: &'a SelectExpr) -> Result<Cost, InvalidExpression> {
        let operand = self.part(&select.operand)?;
        let copied = match is_name(&select.operand) {
            true => 0,
            false => operand.size,
        };
        let size = if select.test { 1 } else { operand.size };
        Ok(operand.reading(copied).with_size(size))
    }

    fn call(&mut self, call: &'a CallExpr) -> Result<Cost, InvalidExpression> {
        let mut parts = Vec::with_capacity(call.args.len() + 1);
        for part in call.target.iter().map(|target| &**target).chain(&call.args) {
            parts.push(self.part(part)?);
        }
        let all = parts.iter().copied().fold(NOTHING, Cost::and);
        let smallest = parts.iter().map(|part| part.size).min().unwrap_or_default();
        let largest = parts.iter().map(|part| part.size).max().unwrap_or_default();
        let cost = match call.func_name.as_str() {
            operators::CONDITIONAL => all.reading(0).with_size(largest),
            operators::LOGICAL_AND
            | operators::LOGICAL_OR
            | operators::LOGICAL_NOT
            | operators::NOT_STRICTLY_FALSE => all.reading(0).with_size(1),
            operators::EQUALS
            | operators::NOT_EQUALS
            | operators::LESS
            | operators::LESS_EQUALS
            | operators::GREATER
            | operators::GREATER_EQUALS => all.reading(smallest).with_size(1),
            operators::SUBSTRACT
            | operators::MULTIPLY
            | operators::DIVIDE
            | operators::MODULO
            | operators::NEGATE => all.reading(0).with_size(NUMBER),
            operators::IN
            | "size"
            | "contains"
            | "startsWith"
            | "endsWith"
            | "hasValue"
            | "int"
            | "uint"
            | "double"
            | "bool" => all.reading(all.size).with_size(NUMBER),
            operators::ADD
            | operators::INDEX
            | operators::OPT_INDEX
            | operators::OPT_SELECT
            | "bytes"
            | "dyn"
            | "type"
            | "value"
            | "or"
            | "orValue" => all.reading(all.size).with_size(all.size.saturating_add(NUMBER)),
            "string" => all
                .reading(all.size)
                .with_size(all.size.saturating_add(NUMBER_AS_TEXT)),
            other => return Err(InvalidExpression::UnknownFunction(other.to_owned())),
        };
        Ok(cost)
    }

    fn comprehension(&mut self, looping: &'a ComprehensionExpr) -> Result<Cost, InvalidExpression> {
        self.loops += 1;
        if self.loops > MAX_LOOPS {
            return Err(InvalidExpression::TooManyLoops);
        }
        let range = self.part(&looping.iter_range)?;
        let start = self.part(&looping.accu_init)?;
        let times = match &looping.iter_range.expr {
            Expr::List(list) => count(list.elements.len()),
            // Each element takes a unit for itself and one at least for what it is.
            _ => range.size / 2,
        };
        let average = range.size / times.max(1) + 1;
        self.local.push((&looping.accu_var, start.size));
        self.local.push((&looping.iter_var, average));
        let condition = self.part(&looping.loop_cond)?;
        let step = self.part(&looping.loop_step)?;
        self.local.pop();
        let result = self.part(&looping.result)?;
        self.local.pop();
        let each = condition.work.saturating_add(step.work).saturating_add(PART);
        let work = [
            range.work,
            range.size,
            start.work,
            times.saturating_mul(each),
            result.work,
        ];
        Ok(Cost {
            work: work.into_iter().fold(0, u64::saturating_add),
            size: start.size.saturating_add(times.saturating_mul(step.size)),
        })
    }
}

/// Whether a part only names something.
fn is_name(part: &IdedExpr) -> bool {
    match &part.expr {
        Expr::Ident(_) => true,
        Expr::Select(select) => !select.test && is_name(&select.operand),
        _ => false,
    }
}

fn literal_size(literal: &LiteralValue) -> u64 {
    let bytes = match literal {
        LiteralValue::String(text) => text.inner().len(),
        LiteralValue::Bytes(bytes) => bytes.inner().len(),
        LiteralValue::Boolean(_)
        | LiteralValue::Double(_)
        | LiteralValue::Int(_)
        | LiteralValue::Null
        | LiteralValue::UInt(_) => 0,
    };
    count(bytes).saturating_add(1)
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
