//! From words to a query. The refusals are worded as Jira Cloud and the tests of Jira's own clients have them.

use crate::jira::jql::words::{Kind, Word, split};
use crate::jira::jql::{Clause, Condition, Direction, Field, Operand, Operator, Query};

/// How deep parentheses may go.
const MAX_DEPTH: usize = 20;
const OPERATORS: &str = "'=', '!=', '<', '>', '<=', '>=', '~', '!~', 'IN', 'NOT IN', 'IS' and 'IS NOT'";

/// Reads a query.
pub fn parse(jql: &str) -> Result<Query, String> {
    let words = split(jql)?;
    let mut reader = Reader {
        words: &words,
        depth: 0,
    };
    let condition = match reader.next() {
        None => None,
        Some(word) if word.is("order") => None,
        Some(_) => Some(reader.any()?),
    };
    let orders = reader.orders()?;
    match reader.next() {
        None => Ok(Query { condition, orders }),
        Some(word) => Err(got(
            "Error in the JQL Query: Expecting either 'OR' or 'AND'",
            word,
            "",
        )),
    }
}

/// What is left of a query.
struct Reader<'a> {
    words: &'a [Word],
    depth: usize,
}

impl Word {
    fn is(&self, word: &str) -> bool {
        self.kind == Kind::Bare && self.text.eq_ignore_ascii_case(word)
    }

    fn is_sign(&self, sign: &str) -> bool {
        self.kind == Kind::Sign && self.text == sign
    }
}

impl<'a> Reader<'a> {
    fn next(&self) -> Option<&'a Word> {
        self.words.first()
    }

    fn skip(&mut self) {
        self.words = self.words.get(1..).unwrap_or_default();
    }

    fn takes(&mut self, word: &str) -> bool {
        let is_it = self.next().is_some_and(|next| next.is(word));
        if is_it {
            self.skip();
        }
        is_it
    }

    fn takes_sign(&mut self, sign: &str) -> bool {
        let is_it = self.next().is_some_and(|next| next.is_sign(sign));
        if is_it {
            self.skip();
        }
        is_it
    }

    fn any(&mut self) -> Result<Condition, String> {
        let mut conditions = vec![self.all()?];
        while self.takes("or") {
            conditions.push(self.all()?);
        }
        Ok(Condition::Any(conditions))
    }

    fn all(&mut self) -> Result<Condition, String> {
        let mut conditions = vec![self.one()?];
        while self.takes("and") {
            conditions.push(self.one()?);
        }
        Ok(Condition::All(conditions))
    }

    fn one(&mut self) -> Result<Condition, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("Error in the JQL Query: The query is too deep.".to_owned());
        }
        let condition = if self.takes("not") || self.takes("!") {
            Condition::Not(Box::new(self.one()?))
        } else if self.takes_sign("(") {
            let inner = self.any()?;
            self.closes()?;
            inner
        } else {
            Condition::Clause(self.clause()?)
        };
        self.depth -= 1;
        Ok(condition)
    }

    fn closes(&mut self) -> Result<(), String> {
        match self.next() {
            Some(word) if word.is_sign(")") => {
                self.skip();
                Ok(())
            }
            Some(word) => Err(got("Error in the JQL Query: Expecting ')'", word, "")),
            None => Err("Error in the JQL Query: Expecting ')' before the end of the query.".to_owned()),
        }
    }

    fn clause(&mut self) -> Result<Clause, String> {
        let field = self.field("Error in the JQL Query: Expecting a field name at the end of the query.")?;
        let (name, field) = field;
        let operator = self.operator(&name)?;
        let is_list = matches!(operator, Listed::Many(_));
        let operator = match operator {
            Listed::None(operator) => {
                return Ok(Clause {
                    field,
                    operator,
                    values: Vec::new(),
                });
            }
            Listed::One(operator) | Listed::Many(operator) => operator,
        };
        let is_comparable = match operator {
            Operator::Contains | Operator::ContainsNot => field.is_text(),
            Operator::Compares(_) => field.is_date(),
            Operator::In | Operator::NotIn => !field.is_text() && !field.is_date(),
            Operator::IsEmpty | Operator::IsNotEmpty => true,
        };
        if !is_comparable {
            return Err(format!(
                "The operator '{}' is not supported by the '{name}' field.",
                operator.sign()
            ));
        }
        let values = if is_list {
            self.list()?
        } else {
            vec![self.value()?]
        };
        Ok(Clause {
            field,
            operator,
            values,
        })
    }

    fn field(&mut self, missing: &str) -> Result<(String, Field), String> {
        let word = self.next().ok_or(missing)?;
        if word.kind == Kind::Sign {
            return Err(got("Error in the JQL Query: Expecting a field name", word, ""));
        }
        self.skip();
        let field = Field::named(&word.text).ok_or_else(|| {
            format!(
                "Field '{}' does not exist or you do not have permission to view it.",
                word.text
            )
        })?;
        Ok((word.text.clone(), field))
    }

    fn operator(&mut self, name: &str) -> Result<Listed, String> {
        let Some(word) = self.next() else {
            let valid = format!("The valid operators are {OPERATORS}.");
            return Err(format!(
                "Error in the JQL Query: Expecting operator before the end of the query. {valid} (field '{name}')"
            ));
        };
        self.skip();
        let is_not = word.is("is") && self.takes("not");
        let operator = match word.text.to_lowercase().as_str() {
            "=" => Listed::One(Operator::In),
            "!=" => Listed::One(Operator::NotIn),
            "~" => Listed::One(Operator::Contains),
            "!~" => Listed::One(Operator::ContainsNot),
            "<" => Listed::One(Operator::Compares("<")),
            "<=" => Listed::One(Operator::Compares("<=")),
            ">" => Listed::One(Operator::Compares(">")),
            ">=" => Listed::One(Operator::Compares(">=")),
            "in" => Listed::Many(Operator::In),
            "not" if self.takes("in") => Listed::Many(Operator::NotIn),
            "is" if self.takes("empty") || self.takes("null") => Listed::None(if is_not {
                Operator::IsNotEmpty
            } else {
                Operator::IsEmpty
            }),
            "is" => {
                return Err(format!(
                    "The operator 'is' is only supported with EMPTY by the '{name}' field."
                ));
            }
            _ => {
                let valid = format!(" The valid operators are {OPERATORS}.");
                return Err(got("Error in the JQL Query: Expecting operator", word, &valid));
            }
        };
        Ok(operator)
    }

    fn list(&mut self) -> Result<Vec<Operand>, String> {
        if !self.takes_sign("(") {
            return Err(match self.next() {
                Some(word) => got("Error in the JQL Query: Expecting '('", word, ""),
                None => "Error in the JQL Query: Expecting '(' before the end of the query.".to_owned(),
            });
        }
        let mut values = vec![self.value()?];
        while self.takes_sign(",") {
            values.push(self.value()?);
        }
        self.closes()?;
        Ok(values)
    }

    fn value(&mut self) -> Result<Operand, String> {
        let expecting = "Error in JQL Query: Expecting either a value, list or function";
        let word = self
            .next()
            .ok_or_else(|| format!("{expecting} before the end of the query."))?;
        if word.kind == Kind::Sign {
            let hint = format!(
                " You must surround '{}' in quotation marks to use it as a value.",
                word.text
            );
            return Err(got(expecting, word, &hint));
        }
        self.skip();
        if self.takes_sign("(") {
            self.closes()?;
            return if word.is("currentUser") {
                Ok(Operand::CurrentUser)
            } else {
                Err(format!("Unable to find JQL function '{}()'.", word.text))
            };
        }
        let is_empty = word.is("empty") || word.is("null");
        Ok(if is_empty {
            Operand::Empty
        } else {
            Operand::Text(word.text.clone())
        })
    }

    fn orders(&mut self) -> Result<Vec<(Field, Direction)>, String> {
        let mut orders = Vec::new();
        if !self.takes("order") {
            return Ok(orders);
        }
        if !self.takes("by") {
            return Err("Error in the JQL Query: Expecting 'by' after 'order'.".to_owned());
        }
        loop {
            let (_, field) =
                self.field("Error in the JQL Query: Expecting a field name at the end of the query.")?;
            let direction = if self.takes("desc") {
                Direction::Falling
            } else {
                Direction::Rising
            };
            let _is_said = self.takes("asc");
            orders.push((field, direction));
            if !self.takes_sign(",") {
                return Ok(orders);
            }
        }
    }
}

/// An operator, by how many values follow it.
enum Listed {
    None(Operator),
    One(Operator),
    Many(Operator),
}

impl Operator {
    fn sign(self) -> &'static str {
        match self {
            Self::In => "=",
            Self::NotIn => "!=",
            Self::Contains => "~",
            Self::ContainsNot => "!~",
            Self::IsEmpty => "is",
            Self::IsNotEmpty => "is not",
            Self::Compares(sign) => sign,
        }
    }
}

fn got(expecting: &str, word: &Word, hint: &str) -> String {
    format!(
        "{expecting} but got '{}'.{hint} (line 1, character {})",
        word.text, word.place
    )
}
