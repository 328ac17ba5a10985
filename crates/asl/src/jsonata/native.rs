//! The shapes that most expressions have, evaluated without JSONata's evaluator: reading, concatenating, choosing, building.
//!
//! It gives what the evaluator gives or nothing at all: where the rules become intricate (arrays inside a path, numbers as
//! text, comparisons of unlike things, everything that is an error) it is [`Unable`], and the evaluator does it.

use std::rc::Rc;

use jsonata_core::ast::{AstNode, BinaryOp, PathStep, Stage, UnaryOp};
use jsonata_core::value::{JMap, JValue};
use serde_json::Value;

use super::functions;
use crate::context::Scope;
use crate::value::{Form, Json};

/// An expression that needs no evaluator as long as the values are simple.
#[derive(Debug)]
pub(super) enum Native {
    Constant(JValue),
    Read(Root, Box<[Step]>),
    Local(usize),
    Concatenate(Box<[Native]>),
    Object(Box<[(String, Native)]>),
    Array(Box<[(Native, Item)]>),
    /// Statements that give values to locals, then the result.
    Block(Box<[(Option<usize>, Native)]>),
    Conditional(Box<(Native, Native, Native)>),
    Binary(Operator, Box<(Native, Native)>),
    Negate(Box<Native>),
    Call(Function, Box<[Native]>),
}

/// What a path starts from.
#[derive(Debug)]
pub(super) enum Root {
    Input,
    Result,
    ErrorOutput,
    Context,
    ContextField(Rc<str>, Rc<str>),
    Variable(Rc<str>),
}

/// A field, and which item of it if it is an array.
#[derive(Debug)]
pub(super) struct Step {
    name: Rc<str>,
    index: Option<i64>,
}

/// An item that is an array stays one if it is written as such; otherwise its items are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Item {
    Nested,
    Taken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    And,
    Or,
    In,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Contains,
    Count,
    Exists,
    Floor,
    Hash,
    Max,
    Merge,
    Millis,
    Min,
    Not,
    Number,
    Parse,
    String,
    Substring,
    ToMillis,
    Uuid,
}

/// The evaluator is to do it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unable;

type Evaluated = Result<JValue, Unable>;

impl Native {
    /// The expression in these terms, if it has such a shape. `constant` gives the value of what depends on nothing.
    pub(super) fn build(ast: &AstNode, constant: &dyn Fn(&AstNode) -> Option<JValue>) -> Option<Self> {
        Builder { constant, locals: Vec::new(), slots: 0 }.node(ast)
    }

    pub(super) fn evaluate(&self, scope: &Scope<'_>) -> Evaluated {
        self.value(scope, &mut Vec::new())
    }

    /// What the expression reads as a whole, if it does nothing else: the value itself, in whatever form it is.
    pub(super) fn whole(&self, scope: &Scope<'_>) -> Option<Json> {
        match self {
            Self::Read(Root::ContextField(section, name), steps) if steps.is_empty() => scope.context.field(section, name),
            Self::Read(root, steps) if steps.is_empty() => root.json(scope).cloned(),
            _ => None,
        }
    }

    fn value(&self, scope: &Scope<'_>, locals: &mut Vec<JValue>) -> Evaluated {
        Ok(match self {
            Self::Constant(value) => value.clone(),
            Self::Read(root, steps) => return root.read(scope, steps, |found| found.map_or(JValue::Undefined, Form::to_jsonata)),
            Self::Local(slot) => locals.get(*slot).cloned().unwrap_or(JValue::Undefined),
            Self::Concatenate(parts) => {
                let mut text = String::new();
                for part in parts {
                    part.append(&mut text, scope, locals)?;
                }
                JValue::string(text)
            }
            Self::Object(fields) => {
                let mut object = JMap::default();
                for (name, field) in fields {
                    match field.value(scope, locals)? {
                        JValue::Undefined => {}
                        value => {
                            object.insert(name.clone(), value);
                        }
                    }
                }
                JValue::Object(Rc::new(object))
            }
            Self::Array(items) => {
                let mut array = Vec::with_capacity(items.len());
                for (item, kind) in items {
                    match (item.value(scope, locals)?, kind) {
                        (JValue::Undefined, _) => {}
                        (JValue::Array(_), Item::Taken) => return Err(Unable),
                        (value, _) => array.push(value),
                    }
                }
                JValue::array(array)
            }
            Self::Block(statements) => {
                let mut last = JValue::Undefined;
                for (slot, statement) in statements {
                    last = statement.value(scope, locals)?;
                    if let Some(slot) = *slot {
                        if locals.len() <= slot {
                            locals.resize(slot + 1, JValue::Undefined);
                        }
                        locals[slot] = last.clone();
                    }
                }
                last
            }
            Self::Conditional(parts) => {
                let (condition, yes, no) = &**parts;
                return if truth(&condition.value(scope, locals)?)? { yes } else { no }.value(scope, locals);
            }
            Self::Binary(operator, operands) => return binary(*operator, operands, scope, locals),
            Self::Negate(operand) => match operand.value(scope, locals)? {
                JValue::Number(number) => JValue::Number(-number),
                _ => return Err(Unable),
            },
            Self::Call(function, arguments) => return call(*function, arguments, scope, locals),
        })
    }

    /// Appends what `&` makes of it.
    fn append(&self, text: &mut String, scope: &Scope<'_>, locals: &mut Vec<JValue>) -> Result<(), Unable> {
        match self {
            Self::Constant(JValue::String(constant)) => {
                text.push_str(constant);
                Ok(())
            }
            Self::Read(root, steps) => root.read(scope, steps, |found| match found {
                Some(Form::Plain(Value::String(found))) => {
                    text.push_str(found);
                    Ok(())
                }
                Some(Form::Jsonata(JValue::String(found))) => {
                    text.push_str(found);
                    Ok(())
                }
                Some(found) => append_text(text, &found.to_jsonata()),
                None => Ok(()),
            })?,
            other => append_text(text, &other.value(scope, locals)?),
        }
    }
}

impl Root {
    fn json<'a>(&self, scope: &'a Scope<'_>) -> Option<&'a Json> {
        match self {
            Self::Input => Some(scope.input),
            Self::Result => scope.result,
            Self::ErrorOutput => scope.error_output,
            Self::Context => Some(scope.context.json()),
            Self::ContextField(..) => None,
            Self::Variable(name) => scope.variables.lookup(name),
        }
    }

    /// Hands over what is at the end of a path, without copying what is on the way.
    fn read<T>(&self, scope: &Scope<'_>, steps: &[Step], then: impl FnOnce(Option<Form<'_>>) -> T) -> Result<T, Unable> {
        if let Self::ContextField(section, name) = self {
            let field = scope.context.field(section, name);
            return Ok(then(field.as_ref().map(|field| follow(field.form(), steps)).transpose()?.flatten()));
        }
        let json = self.json(scope);
        // A value that is wanted as a whole is likely to be wanted again: its form for JSONata is kept.
        let form = json.map(|json| if steps.is_empty() { Form::Jsonata(json.jsonata()) } else { json.form() });
        Ok(then(form.map(|form| follow(form, steps)).transpose()?.flatten()))
    }
}

fn follow<'a>(form: Form<'a>, steps: &[Step]) -> Result<Option<Form<'a>>, Unable> {
    let mut form = form;
    for step in steps {
        let field = match form {
            Form::Plain(Value::Object(fields)) => fields.get(&*step.name).map(Form::Plain),
            Form::Jsonata(JValue::Object(fields)) => fields.get(&*step.name).map(Form::Jsonata),
            Form::Plain(Value::Array(_)) | Form::Jsonata(JValue::Array(_)) => return Err(Unable),
            Form::Plain(_) | Form::Jsonata(_) => None,
        };
        let Some(field) = field else { return Ok(None) };
        let Some(found) = step.index.map_or(Ok(Some(field)), |index| item(field, index))? else { return Ok(None) };
        form = found;
    }
    Ok(Some(form))
}

/// The item that a number in brackets selects; what is no array is its own only item.
fn item(form: Form<'_>, index: i64) -> Result<Option<Form<'_>>, Unable> {
    let position = |length: usize| {
        let length = i64::try_from(length).unwrap_or(i64::MAX);
        usize::try_from(if index < 0 { length + index } else { index }).ok()
    };
    let item = match form {
        Form::Plain(Value::Array(items)) => position(items.len()).and_then(|at| items.get(at)).map(Form::Plain),
        Form::Jsonata(JValue::Array(items)) => position(items.len()).and_then(|at| items.get(at)).map(Form::Jsonata),
        single => (position(1) == Some(0)).then_some(single),
    };
    match item {
        Some(Form::Plain(Value::Array(_)) | Form::Jsonata(JValue::Array(_))) => Err(Unable),
        item => Ok(item),
    }
}

fn append_text(text: &mut String, value: &JValue) -> Result<(), Unable> {
    use std::fmt::Write as _;
    match value {
        JValue::Undefined => {}
        JValue::Null => text.push_str("null"),
        JValue::Bool(bool) => text.push_str(if *bool { "true" } else { "false" }),
        JValue::String(string) => text.push_str(string),
        JValue::Number(number) => write!(text, "{}", short_whole(*number)?).map_err(|_| Unable)?,
        _ => return Err(Unable),
    }
    Ok(())
}

/// A whole number of at most 15 digits is written as such in every notation.
#[expect(clippy::cast_possible_truncation, reason = "the fraction is zero and the magnitude is checked")]
fn short_whole(number: f64) -> Result<i64, Unable> {
    if number.fract() == 0.0 && number.abs() < 1e15 { Ok(number as i64) } else { Err(Unable) }
}

fn truth(value: &JValue) -> Result<bool, Unable> {
    match value {
        JValue::Undefined | JValue::Null => Ok(false),
        JValue::Bool(bool) => Ok(*bool),
        JValue::Number(number) => Ok(*number != 0.0),
        JValue::String(text) => Ok(!text.is_empty()),
        JValue::Object(fields) => Ok(!fields.is_empty()),
        _ => Err(Unable),
    }
}

fn binary(operator: Operator, operands: &(Native, Native), scope: &Scope<'_>, locals: &mut Vec<JValue>) -> Evaluated {
    let lhs = operands.0.value(scope, locals)?;
    match operator {
        Operator::And => return Ok(JValue::Bool(truth(&lhs)? && truth(&operands.1.value(scope, locals)?)?)),
        Operator::Or => return Ok(JValue::Bool(truth(&lhs)? || truth(&operands.1.value(scope, locals)?)?)),
        _ => {}
    }
    let rhs = operands.1.value(scope, locals)?;
    Ok(match operator {
        Operator::And | Operator::Or => return Err(Unable),
        Operator::Equal => JValue::Bool(equal(&lhs, &rhs)?.unwrap_or(false)),
        Operator::NotEqual => JValue::Bool(equal(&lhs, &rhs)?.is_some_and(|equal| !equal)),
        Operator::In => match (&lhs, &rhs) {
            (JValue::Undefined, _) | (_, JValue::Undefined) => JValue::Bool(false),
            (_, JValue::Array(items)) => {
                let mut found = false;
                for item in items {
                    found |= equal(&lhs, item)?.unwrap_or(false);
                }
                JValue::Bool(found)
            }
            _ => return Err(Unable),
        },
        Operator::Less => ordered(&lhs, &rhs, std::cmp::Ordering::is_lt)?,
        Operator::LessOrEqual => ordered(&lhs, &rhs, std::cmp::Ordering::is_le)?,
        Operator::Greater => ordered(&lhs, &rhs, std::cmp::Ordering::is_gt)?,
        Operator::GreaterOrEqual => ordered(&lhs, &rhs, std::cmp::Ordering::is_ge)?,
        Operator::Add => arithmetic(&lhs, &rhs, |lhs, rhs| lhs + rhs)?,
        Operator::Subtract => arithmetic(&lhs, &rhs, |lhs, rhs| lhs - rhs)?,
        Operator::Multiply => arithmetic(&lhs, &rhs, |lhs, rhs| lhs * rhs)?,
        Operator::Divide => arithmetic(&lhs, &rhs, |lhs, rhs| lhs / rhs)?,
    })
}

/// Nothing where one of them is undefined: then they are neither equal nor unequal.
fn equal(lhs: &JValue, rhs: &JValue) -> Result<Option<bool>, Unable> {
    Ok(match (lhs, rhs) {
        (JValue::Undefined, _) | (_, JValue::Undefined) => None,
        (JValue::Null, JValue::Null) => Some(true),
        (JValue::Bool(lhs), JValue::Bool(rhs)) => Some(lhs == rhs),
        #[expect(clippy::float_cmp, reason = "JSONata compares numbers exactly")]
        (JValue::Number(lhs), JValue::Number(rhs)) => Some(lhs == rhs),
        (JValue::String(lhs), JValue::String(rhs)) => Some(lhs == rhs),
        (
            JValue::Null | JValue::Bool(_) | JValue::Number(_) | JValue::String(_),
            JValue::Null | JValue::Bool(_) | JValue::Number(_) | JValue::String(_),
        ) => Some(false),
        _ => return Err(Unable),
    })
}

fn ordered(lhs: &JValue, rhs: &JValue, holds: fn(std::cmp::Ordering) -> bool) -> Evaluated {
    match (lhs, rhs) {
        (JValue::Number(lhs), JValue::Number(rhs)) => lhs.partial_cmp(rhs).map(|order| JValue::Bool(holds(order))).ok_or(Unable),
        (JValue::String(lhs), JValue::String(rhs)) if lhs.is_ascii() && rhs.is_ascii() => Ok(JValue::Bool(holds(lhs.cmp(rhs)))),
        _ => Err(Unable),
    }
}

fn arithmetic(lhs: &JValue, rhs: &JValue, compute: fn(f64, f64) -> f64) -> Evaluated {
    match (lhs, rhs) {
        (JValue::Number(lhs), JValue::Number(rhs)) => {
            Some(compute(*lhs, *rhs)).filter(|number| number.is_finite()).map(JValue::Number).ok_or(Unable)
        }
        _ => Err(Unable),
    }
}

fn call(function: Function, arguments: &[Native], scope: &Scope<'_>, locals: &mut Vec<JValue>) -> Evaluated {
    if let (Function::Count, [array]) = (function, arguments) {
        return array.count(scope, locals);
    }
    let mut values = [JValue::Undefined, JValue::Undefined, JValue::Undefined];
    for (value, argument) in values.iter_mut().zip(arguments) {
        *value = argument.value(scope, locals)?;
    }
    Ok(match (function, &values) {
        (Function::Exists, [value, ..]) => JValue::Bool(!value.is_undefined()),
        (Function::Millis, _) => functions::millis(scope.now),
        (Function::Uuid, _) => JValue::string(scope.random.uuid()),
        // A function of nothing gives nothing, or an error.
        (_, [JValue::Undefined, ..]) => return Err(Unable),
        (Function::Not, [value, ..]) => JValue::Bool(!truth(value)?),
        (Function::String, [value, ..]) => {
            let mut text = String::new();
            append_text(&mut text, value)?;
            JValue::string(text)
        }
        (Function::Number, [value, ..]) => number(value)?,
        (Function::Floor, [JValue::Number(number), ..]) => JValue::Number(number.floor()),
        (Function::Min, [JValue::Array(items), ..]) => extreme(items, f64::min)?,
        (Function::Max, [JValue::Array(items), ..]) => extreme(items, f64::max)?,
        (Function::Merge, [JValue::Array(items), ..]) => merge(items)?,
        (Function::Contains, [JValue::String(text), JValue::String(part), _]) => JValue::Bool(text.contains(&**part)),
        (Function::Substring, [JValue::String(text), start, length]) => substring(text, start, length)?,
        (Function::ToMillis, [JValue::String(text), ..]) => to_millis(text)?,
        (Function::Hash, [text, algorithm, _]) => functions::hash(text, algorithm).map_err(|_| Unable)?,
        (Function::Parse, [text, ..]) => functions::parse(text).map_err(|_| Unable)?,
        _ => return Err(Unable),
    })
}

impl Native {
    fn count(&self, scope: &Scope<'_>, locals: &mut Vec<JValue>) -> Evaluated {
        let count = |value: &JValue| match value {
            JValue::Undefined => 0,
            JValue::Array(items) => items.len(),
            _ => 1,
        };
        let count = match self {
            Self::Read(root, steps) => root.read(scope, steps, |found| match found {
                None => 0,
                Some(Form::Plain(Value::Array(items))) => items.len(),
                Some(Form::Plain(_)) => 1,
                Some(Form::Jsonata(value)) => count(value),
            })?,
            other => count(&other.value(scope, locals)?),
        };
        #[expect(clippy::cast_precision_loss, reason = "no array is that long")]
        Ok(JValue::Number(count as f64))
    }
}

fn number(value: &JValue) -> Evaluated {
    match value {
        JValue::Number(_) => Ok(value.clone()),
        JValue::String(text) if (1..=15).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse().map(JValue::Number).map_err(|_| Unable)
        }
        _ => Err(Unable),
    }
}

fn extreme(items: &[JValue], choose: fn(f64, f64) -> f64) -> Evaluated {
    let mut extreme = None;
    for item in items {
        let JValue::Number(number) = item else { return Err(Unable) };
        extreme = Some(extreme.map_or(*number, |extreme| choose(extreme, *number)));
    }
    extreme.map(JValue::Number).ok_or(Unable)
}

fn merge(items: &[JValue]) -> Evaluated {
    let mut merged = JMap::default();
    for item in items {
        let JValue::Object(fields) = item else { return Err(Unable) };
        merged.extend(fields.iter().map(|(name, field)| (name.clone(), field.clone())));
    }
    Ok(JValue::Object(Rc::new(merged)))
}

fn substring(text: &str, start: &JValue, length: &JValue) -> Evaluated {
    let JValue::Number(start) = start else { return Err(Unable) };
    let start = usize::try_from(short_whole(*start)?).map_err(|_| Unable)?;
    let length = match length {
        JValue::Undefined => text.len(),
        JValue::Number(length) => usize::try_from(short_whole(*length)?).map_err(|_| Unable)?,
        _ => return Err(Unable),
    };
    if !text.is_ascii() {
        return Err(Unable);
    }
    let start = start.min(text.len());
    let end = start.saturating_add(length).min(text.len());
    Ok(JValue::string(&text[start..end]))
}

/// Only what Step Functions itself writes: `2026-01-31T23:59:59.999Z`, with or without the fraction.
fn to_millis(text: &str) -> Evaluated {
    let shape = "0000-00-00T00:00:00.000Z";
    let same = |shape: &str| {
        shape.len() == text.len()
            && shape.bytes().zip(text.bytes()).all(|(shape, byte)| if shape == b'0' { byte.is_ascii_digit() } else { byte == shape })
    };
    if !same(shape) && !same("0000-00-00T00:00:00Z") {
        return Err(Unable);
    }
    let timestamp: jiff::Timestamp = text.parse().map_err(|_| Unable)?;
    #[expect(clippy::cast_precision_loss, reason = "the years 0000 to 9999 fit")]
    Ok(JValue::Number(timestamp.as_millisecond() as f64))
}

struct Builder<'a> {
    constant: &'a dyn Fn(&AstNode) -> Option<JValue>,
    locals: Vec<(String, usize)>,
    slots: usize,
}

impl Builder<'_> {
    fn node(&mut self, node: &AstNode) -> Option<Native> {
        if let Some(value) = (self.constant)(node) {
            return Some(Native::Constant(value));
        }
        match node {
            AstNode::Variable(name) => self.root(name, &[]),
            AstNode::Path { steps } => match steps.as_slice() {
                [PathStep { node: AstNode::Variable(name), stages, focus: None, index_var: None, is_tuple: false, .. }, rest @ ..]
                    if stages.is_empty() =>
                {
                    self.root(name, rest)
                }
                _ => None,
            },
            AstNode::Binary { op: BinaryOp::Concatenate, .. } => {
                let mut parts = Vec::new();
                self.parts(node, &mut parts)?;
                Some(Native::Concatenate(parts.into()))
            }
            AstNode::Binary { op, lhs, rhs } => Some(Native::Binary(operator(*op)?, Box::new((self.node(lhs)?, self.node(rhs)?)))),
            AstNode::Unary { op: UnaryOp::Negate, operand } => Some(Native::Negate(Box::new(self.node(operand)?))),
            AstNode::Object(fields) => self.object(fields),
            AstNode::Array(items) => {
                let items = items.iter().map(|item| {
                    let kind = if matches!(item, AstNode::Array(_)) { Item::Nested } else { Item::Taken };
                    Some((self.node(item)?, kind))
                });
                Some(Native::Array(items.collect::<Option<_>>()?))
            }
            AstNode::Conditional { condition, then_branch, else_branch } => {
                let no = match else_branch {
                    Some(node) => self.node(node)?,
                    None => Native::Constant(JValue::Undefined),
                };
                Some(Native::Conditional(Box::new((self.node(condition)?, self.node(then_branch)?, no))))
            }
            AstNode::Block(statements) => self.block(statements),
            AstNode::Function { name, args, is_builtin: true } => self.function(name, args),
            _ => None,
        }
    }

    /// A chain of `&` is one text.
    fn parts(&mut self, node: &AstNode, parts: &mut Vec<Native>) -> Option<()> {
        match node {
            AstNode::Binary { op: BinaryOp::Concatenate, lhs, rhs } => {
                self.parts(lhs, parts)?;
                self.parts(rhs, parts)
            }
            node => {
                parts.push(self.node(node)?);
                Some(())
            }
        }
    }

    fn root(&self, name: &str, steps: &[PathStep]) -> Option<Native> {
        if let Some((_, slot)) = self.locals.iter().rev().find(|(known, _)| known == name) {
            return steps.is_empty().then_some(Native::Local(*slot));
        }
        let steps = steps.iter().map(step).collect::<Option<Vec<_>>>()?;
        if name != "states" {
            // A function without a call is a value too.
            let is_variable = !name.is_empty() && !functions::is_known(name);
            return is_variable.then(|| Native::Read(Root::Variable(name.into()), steps.into()));
        }
        let mut steps = steps.into_iter();
        let part = steps.next().filter(|step| step.index.is_none())?;
        let root = match &*part.name {
            "input" => Root::Input,
            "result" => Root::Result,
            "errorOutput" => Root::ErrorOutput,
            "context" => match steps.as_slice() {
                [section, field, ..] if section.index.is_none() && field.index.is_none() => {
                    let root = Root::ContextField(section.name.clone(), field.name.clone());
                    steps.nth(1);
                    root
                }
                _ => Root::Context,
            },
            _ => return None,
        };
        Some(Native::Read(root, steps.collect()))
    }

    fn object(&mut self, fields: &[(AstNode, AstNode)]) -> Option<Native> {
        let mut object: Vec<(String, Native)> = Vec::with_capacity(fields.len());
        for (key, value) in fields {
            let AstNode::String(key) = key else { return None };
            if object.iter().any(|(known, _)| known == key) {
                return None;
            }
            object.push((key.clone(), self.node(value)?));
        }
        Some(Native::Object(object.into()))
    }

    fn block(&mut self, statements: &[AstNode]) -> Option<Native> {
        let outside = self.locals.len();
        let mut block = Vec::with_capacity(statements.len());
        for statement in statements {
            match statement {
                AstNode::Binary { op: BinaryOp::ColonEqual, lhs, rhs } => {
                    let AstNode::Variable(name) = &**lhs else { return None };
                    let value = self.node(rhs)?;
                    let slot = self.slots;
                    self.slots += 1;
                    self.locals.push((name.clone(), slot));
                    block.push((Some(slot), value));
                }
                statement => block.push((None, self.node(statement)?)),
            }
        }
        self.locals.truncate(outside);
        (!block.is_empty()).then(|| Native::Block(block.into()))
    }

    fn function(&mut self, name: &str, arguments: &[AstNode]) -> Option<Native> {
        if self.locals.iter().any(|(known, _)| known == name) {
            return None;
        }
        let (function, accepted) = match name {
            "contains" => (Function::Contains, 2..=2),
            "count" => (Function::Count, 1..=1),
            "exists" => (Function::Exists, 1..=1),
            "floor" => (Function::Floor, 1..=1),
            "hash" => (Function::Hash, 2..=2),
            "max" => (Function::Max, 1..=1),
            "merge" => (Function::Merge, 1..=1),
            "millis" => (Function::Millis, 0..=0),
            "min" => (Function::Min, 1..=1),
            "not" => (Function::Not, 1..=1),
            "number" => (Function::Number, 1..=1),
            "parse" => (Function::Parse, 1..=1),
            "string" => (Function::String, 1..=1),
            "substring" => (Function::Substring, 2..=3),
            "toMillis" => (Function::ToMillis, 1..=1),
            "uuid" => (Function::Uuid, 0..=0),
            _ => return None,
        };
        if !accepted.contains(&arguments.len()) {
            return None;
        }
        let arguments = arguments.iter().map(|argument| self.node(argument)).collect::<Option<_>>()?;
        Some(Native::Call(function, arguments))
    }
}

fn step(step: &PathStep) -> Option<Step> {
    let AstNode::Name(name) = &step.node else { return None };
    if step.focus.is_some() || step.index_var.is_some() || step.is_tuple {
        return None;
    }
    let index = match step.stages.as_slice() {
        [] => None,
        [Stage::Filter(filter)] => Some(match &**filter {
            AstNode::Number(index) => short_whole(*index).ok()?,
            AstNode::Unary { op: UnaryOp::Negate, operand } => match **operand {
                AstNode::Number(index) => -short_whole(index).ok()?,
                _ => return None,
            },
            _ => return None,
        }),
        _ => return None,
    };
    Some(Step { name: name.as_str().into(), index })
}

fn operator(op: BinaryOp) -> Option<Operator> {
    Some(match op {
        BinaryOp::And => Operator::And,
        BinaryOp::Or => Operator::Or,
        BinaryOp::In => Operator::In,
        BinaryOp::Equal => Operator::Equal,
        BinaryOp::NotEqual => Operator::NotEqual,
        BinaryOp::LessThan => Operator::Less,
        BinaryOp::LessThanOrEqual => Operator::LessOrEqual,
        BinaryOp::GreaterThan => Operator::Greater,
        BinaryOp::GreaterThanOrEqual => Operator::GreaterOrEqual,
        BinaryOp::Add => Operator::Add,
        BinaryOp::Subtract => Operator::Subtract,
        BinaryOp::Multiply => Operator::Multiply,
        BinaryOp::Divide => Operator::Divide,
        _ => return None,
    })
}
