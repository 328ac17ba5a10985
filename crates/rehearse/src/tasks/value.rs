//! Values that may hold JSONata, as in a definition: a text between `{%` and `%}` is an expression.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::rc::Rc;

use jsonata_core::ast::AstNode;
use jsonata_core::evaluator::{Context, Evaluator, EvaluatorError};
use jsonata_core::value::JValue;
use nightly_asl::{Instant, Json};
use nightly_rehearsal::Chance;
use serde_json::{Map, Value};

/// A value, or how to work it out.
#[derive(Debug)]
pub struct Answer(Node);

enum Node {
    Plain(Json),
    Expression { text: String, tree: Box<AstNode> },
    Array(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl fmt::Debug for Node {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(value) => value.fmt(formatter),
            Self::Expression { text, .. } => write!(formatter, "{{% {text} %}}"),
            Self::Array(items) => items.fmt(formatter),
            Self::Object(fields) => fields.fmt(formatter),
        }
    }
}

/// What an expression may look at: `$name` and its value. Made when the first expression asks.
pub type Words<'a> = &'a dyn Fn() -> Vec<(&'static str, Value)>;

/// Who asks for a value.
pub struct Question<'a> {
    /// What its expressions see.
    pub words: Words<'a>,
    /// Where `$random()` and `$uuid()` come from.
    pub chance: Rc<RefCell<Chance>>,
    /// What `$now()` and `$millis()` say.
    pub now: Instant,
}

/// Why an expression gave no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{{% {expression} %}} {reason}")]
pub struct Unanswerable {
    expression: String,
    reason: String,
}

impl Answer {
    /// A value without expressions.
    pub fn plain(value: Value) -> Self {
        Self(Node::Plain(value.into()))
    }

    /// Reads a value; gives what is wrong with its first broken expression otherwise.
    pub fn compile(value: &Value) -> Result<Self, String> {
        compile(value).map(Self)
    }

    /// Works it out.
    pub fn evaluate(&self, question: &Question<'_>) -> Result<Json, Unanswerable> {
        if let Node::Plain(value) = &self.0 {
            return Ok(value.clone());
        }
        let words: Vec<_> = (question.words)().into_iter().map(|(name, value)| (name, JValue::from(value))).collect();
        self.0.evaluate(question, &words).map(Json::from)
    }

    /// The names behind a `$` whose fields its expressions look at, apart from those that they assign themselves: a misspelt one is
    /// no error in JSONata.
    pub fn variables(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        self.0.variables(&mut names);
        names
    }
}

fn compile(value: &Value) -> Result<Node, String> {
    let node = match value {
        Value::String(text) => match text.trim().strip_prefix("{%").and_then(|rest| rest.strip_suffix("%}")) {
            Some(expression) => {
                let expression = expression.trim();
                let tree = jsonata_core::parser::parse(expression).map_err(|error| format!("{{% {expression} %}}: {error}"))?;
                Node::Expression { text: expression.to_owned(), tree: Box::new(tree) }
            }
            None => Node::Plain(value.clone().into()),
        },
        Value::Array(items) => Node::Array(items.iter().map(compile).collect::<Result<_, _>>()?),
        Value::Object(fields) => {
            Node::Object(fields.iter().map(|(key, field)| Ok((key.clone(), compile(field)?))).collect::<Result<_, String>>()?)
        }
        _ => Node::Plain(value.clone().into()),
    };
    let all_plain = match &node {
        Node::Array(items) => items.iter().all(|item| matches!(item, Node::Plain(_))),
        Node::Object(fields) => fields.iter().all(|(_, field)| matches!(field, Node::Plain(_))),
        _ => false,
    };
    Ok(if all_plain { Node::Plain(value.clone().into()) } else { node })
}

impl Node {
    fn evaluate(&self, question: &Question<'_>, words: &[(&'static str, JValue)]) -> Result<Value, Unanswerable> {
        match self {
            Self::Plain(value) => Ok(value.value().clone()),
            Self::Array(items) => items.iter().map(|item| item.evaluate(question, words)).collect(),
            Self::Object(fields) => {
                let fields = fields.iter().map(|(key, field)| Ok((key.clone(), field.evaluate(question, words)?)));
                Ok(Value::Object(fields.collect::<Result<Map<_, _>, _>>()?))
            }
            Self::Expression { text, tree } => {
                let failed = |reason: String| Unanswerable { expression: text.clone(), reason };
                let result = evaluator(question, words)
                    .and_then(|mut evaluator| evaluator.evaluate(tree, &JValue::Null))
                    .map_err(|error| failed(format!("fails: {error}")))?;
                if matches!(result, JValue::Undefined) {
                    return Err(failed("gives nothing: what it looks at isn't there".to_owned()));
                }
                serde_json::to_value(&result).map_err(|error| failed(format!("gives no JSON: {error}")))
            }
        }
    }

    fn variables(&self, names: &mut BTreeSet<String>) {
        match self {
            Self::Plain(_) => {}
            Self::Array(items) => items.iter().for_each(|item| item.variables(names)),
            Self::Object(fields) => fields.iter().for_each(|(_, field)| field.variables(names)),
            Self::Expression { text, .. } => names.extend(free_variables(text)),
        }
    }
}

/// Reads an expression's text instead of its tree: what stands in quotes is left out, and what the expression assigns itself.
fn free_variables(expression: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut own = BTreeSet::new();
    let mut rest = expression;
    while let Some(at) = rest.find(['$', '"', '\'', '`']) {
        let (sign, after) = rest[at..].split_at(1);
        if sign != "$" {
            let mut escaped = false;
            let end = after.find(|character: char| {
                let ends = !escaped && character.to_string() == sign;
                escaped = character == '\\' && !escaped;
                ends
            });
            rest = end.map_or("", |end| &after[end + 1..]);
            continue;
        }
        let length = after.find(|character: char| !character.is_alphanumeric() && character != '_').unwrap_or(after.len());
        let (name, after) = after.split_at(length);
        let next = after.trim_start();
        // A parameter of a function is followed by a comma or the list's end, as an argument is: `function($a, $b)`.
        let is_parameter = expression[..expression.len() - after.len()]
            .rfind("function(")
            .is_some_and(|open| !expression[open..expression.len() - after.len()].contains(')'));
        if next.starts_with(":=") || is_parameter {
            own.insert(name.to_owned());
        } else if !name.is_empty() && next.starts_with(['.', '[']) {
            names.insert(name.to_owned());
        }
        rest = after;
    }
    names.retain(|name| !own.contains(name));
    names
}

/// An evaluator whose clock and chance are the night's.
fn evaluator(question: &Question<'_>, words: &[(&'static str, JValue)]) -> Result<Evaluator, EvaluatorError> {
    let mut context = Context::new();
    for (name, value) in words {
        context.bind((*name).to_owned(), value.clone());
    }
    let mut evaluator = Evaluator::with_context(context);
    let (now, chance) = (question.now, question.chance.clone());
    evaluator.register_fn_override("now", move |_: &[JValue]| Ok(JValue::from(now.to_string())))?;
    evaluator.register_fn_override("millis", move |_: &[JValue]| Ok(JValue::from(now.0)))?;
    evaluator.register_fn_override("random", move |_: &[JValue]| Ok(JValue::from(chance.borrow_mut().unit())))?;
    let chance = question.chance.clone();
    evaluator.register_fn("uuid", move |_: &[JValue]| Ok(JValue::from(uuid(&mut chance.borrow_mut()))))?;
    Ok(evaluator)
}

/// A version 4 UUID (RFC 9562, section 5.4).
fn uuid(chance: &mut Chance) -> String {
    let (high, low) = (chance.bits() & !0xF000 | 0x4000, chance.bits() & !(0b11 << 62) | (0b10 << 62));
    format!("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32, high >> 16 & 0xFFFF, high & 0xFFFF, low >> 48, low & 0xFFFF_FFFF_FFFF)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn evaluate(value: &Value) -> Result<Value, Unanswerable> {
        let words = || vec![("parameters", json!({"orderId": "o-1", "lines": [1, 2]})), ("try", json!(2))];
        let question = Question { words: &words, chance: Rc::new(RefCell::new(Chance::new(1))), now: Instant(1_000) };
        Answer::compile(value).unwrap().evaluate(&question).map(|json| json.value().clone())
    }

    #[test]
    fn expressions_stand_anywhere_in_a_value() {
        let value = json!({"id": "{% 'h-' & $parameters.orderId %}", "tries": ["{% $try %}", 7], "at": "{% $millis() %}"});
        assert_eq!(evaluate(&value).unwrap(), json!({"id": "h-o-1", "tries": [2, 7], "at": 1000}));
        assert_eq!(evaluate(&json!({"plain": [1, null]})).unwrap(), json!({"plain": [1, null]}));
    }

    #[test]
    fn chance_in_an_expression_comes_from_the_night() {
        let value = json!("{% [$random(), $uuid()] %}");
        assert_eq!(evaluate(&value).unwrap(), evaluate(&value).unwrap());
    }

    #[test]
    fn an_expression_without_a_value_says_so() {
        let error = evaluate(&json!("{% $parameters.missing %}")).unwrap_err();
        assert_eq!(error.to_string(), "{% $parameters.missing %} gives nothing: what it looks at isn't there");
    }

    #[test]
    fn a_name_that_nobody_binds_is_found() {
        for (expression, free) in [
            ("$parametres.id & '$quoted'", vec!["parametres"]),
            ("($x := $try.a; $x.b + 1)", vec!["try"]),
            ("$map($parameters.lines, function($line, $at) { $line.a * $at })", vec!["parameters"]),
            ("$map($parameters[0], $string)", vec!["parameters"]),
            ("$uuid()", vec![]),
        ] {
            assert_eq!(free_variables(expression).into_iter().collect::<Vec<_>>(), free, "{expression}");
        }
    }
}
