//! The shapes that most expressions have, evaluated without JSONata's evaluator: reading, concatenating, choosing, building.
//!
//! It gives what the evaluator gives or nothing at all: where the rules become intricate (arrays inside a path, numbers as
//! text, comparisons of unlike things, everything that is an error) it is [`Unable`], and the evaluator does it.

mod build;

use std::cmp::Ordering;
use std::fmt::Write as _;
use std::rc::Rc;

use jsonata_core::ast::AstNode;
use jsonata_core::value::{JMap, JValue};
use regex::Regex;
use serde_json::Value;

use super::functions;
use crate::context::Scope;
use crate::value::{Form, Json};

/// An expression that needs no evaluator as long as the values are simple.
pub(super) struct Native(Shape);

enum Shape {
    Constant(JValue),
    Read(Root, Box<[Step]>),
    /// A path from the item that is looked at, in a predicate or behind an array.
    ReadItem(Box<[Step]>),
    Local(usize),
    Concatenate(Box<[Shape]>),
    Object(Box<[(String, Shape)]>),
    Array(Box<[(Shape, Item)]>),
    /// Statements, some of which give a value to a local; the last is the result.
    Block(Box<[(Option<usize>, Shape)]>),
    Conditional(Box<(Shape, Shape, Shape)>),
    Binary(Operator, Box<(Shape, Shape)>),
    Negate(Box<Shape>),
    Call(Function, Box<[Shape]>),
    Matches(Box<Shape>, Regex),
    Date(Box<Shape>, Box<[Piece]>),
    Each(Box<Each>),
}

/// What a path starts from.
enum Root {
    Input,
    Result,
    ErrorOutput,
    Context,
    ContextField(Rc<str>, Rc<str>),
    Variable(Rc<str>),
}

/// A field, and which item of it if it is an array.
struct Step {
    name: Rc<str>,
    index: Option<i64>,
}

/// How an item of an array constructor that is an array becomes part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    /// It is written as an array itself and stays one.
    Nested,
    /// Its items are taken.
    Taken,
}

/// What is made of each item of an array for which the predicate holds; what is no array is its own only item.
struct Each {
    source: Shape,
    predicate: Option<Shape>,
    make: Option<Shape>,
}

/// A piece of a date's picture.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Literal(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
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
enum Function {
    Contains,
    Count,
    Exists,
    Floor,
    Hash,
    Join,
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
        build::shape(ast, constant).map(Self)
    }

    pub(super) fn evaluate(&self, scope: &Scope<'_>) -> Evaluated {
        Frame { scope, locals: Vec::new(), item: None }.value(&self.0)
    }

    /// What the expression reads as a whole, if it does nothing else: the value itself, in whatever form it is.
    pub(super) fn whole(&self, scope: &Scope<'_>) -> Option<Json> {
        match &self.0 {
            Shape::Read(Root::ContextField(section, name), steps) if steps.is_empty() => scope.context.field(section, name),
            Shape::Read(root, steps) if steps.is_empty() => root.json(scope).cloned(),
            _ => None,
        }
    }
}

/// An evaluation under way.
struct Frame<'a, 'b> {
    scope: &'a Scope<'a>,
    locals: Vec<JValue>,
    /// What a predicate or what is behind an array looks at.
    item: Option<Form<'b>>,
}

impl Frame<'_, '_> {
    fn value(&mut self, shape: &Shape) -> Evaluated {
        Ok(match shape {
            Shape::Constant(value) => value.clone(),
            Shape::Read(root, steps) => {
                return root.read(self.scope, steps, |found| found.map_or(JValue::Undefined, Form::to_jsonata));
            }
            Shape::ReadItem(steps) => self.follow_item(steps)?.map_or(JValue::Undefined, Form::to_jsonata),
            Shape::Local(slot) => self.locals.get(*slot).cloned().unwrap_or(JValue::Undefined),
            Shape::Concatenate(parts) => {
                let mut text = String::new();
                for part in parts {
                    self.append(&mut text, part)?;
                }
                JValue::string(text)
            }
            Shape::Object(fields) => {
                let mut object = JMap::default();
                object.reserve(fields.len());
                for (name, field) in fields {
                    match self.value(field)? {
                        JValue::Undefined => {}
                        value => {
                            object.insert(name.clone(), value);
                        }
                    }
                }
                JValue::Object(Rc::new(object))
            }
            Shape::Array(items) => {
                let mut array = Vec::with_capacity(items.len());
                for (item, kind) in items {
                    match (self.value(item)?, kind) {
                        (JValue::Undefined, _) => {}
                        (JValue::Array(items), Item::Taken) => array.extend(items),
                        (value, _) => array.push(value),
                    }
                }
                JValue::array(array)
            }
            Shape::Block(statements) => {
                let mut last = JValue::Undefined;
                for (slot, statement) in statements {
                    last = self.value(statement)?;
                    if let Some(slot) = *slot {
                        if self.locals.len() <= slot {
                            self.locals.resize(slot + 1, JValue::Undefined);
                        }
                        self.locals[slot] = last.clone();
                    }
                }
                last
            }
            Shape::Conditional(parts) => {
                let (condition, yes, no) = &**parts;
                let chosen = if truth(&self.value(condition)?)? { yes } else { no };
                return self.value(chosen);
            }
            Shape::Binary(operator, operands) => return self.binary(*operator, operands),
            Shape::Negate(operand) => match self.value(operand)? {
                JValue::Number(number) => JValue::Number(-number),
                _ => return Err(Unable),
            },
            Shape::Call(function, arguments) => return self.call(*function, arguments),
            Shape::Matches(text, regex) => match self.value(text)? {
                JValue::String(text) => JValue::Bool(regex.is_match(&text)),
                _ => return Err(Unable),
            },
            Shape::Date(millis, picture) => match self.value(millis)? {
                JValue::Number(millis) => date(millis, picture)?,
                _ => return Err(Unable),
            },
            Shape::Each(each) => return self.each(each),
        })
    }

    /// Appends what `&` makes of it.
    fn append(&mut self, text: &mut String, part: &Shape) -> Result<(), Unable> {
        match part {
            Shape::Constant(JValue::String(constant)) => {
                text.push_str(constant);
                Ok(())
            }
            Shape::Read(root, steps) => root.read(self.scope, steps, |found| match found {
                Some(Form::Plain(Value::String(found))) => {
                    text.push_str(found);
                    Ok(())
                }
                Some(Form::Jsonata(found)) => append_text(text, found),
                Some(found) => append_text(text, &found.to_jsonata()),
                None => Ok(()),
            })?,
            other => append_text(text, &self.value(other)?),
        }
    }

    fn binary(&mut self, operator: Operator, operands: &(Shape, Shape)) -> Evaluated {
        if let (Operator::Equal | Operator::NotEqual, Shape::Constant(JValue::String(text))) = (operator, &operands.1)
            && let Some(is) = self.is_text(&operands.0, text)
        {
            return Ok(JValue::Bool(is == (operator == Operator::Equal)));
        }
        let lhs = self.value(&operands.0)?;
        if let Operator::And | Operator::Or = operator {
            let lhs = truth(&lhs)?;
            let decided = lhs == (operator == Operator::Or);
            return Ok(JValue::Bool(if decided { lhs } else { truth(&self.value(&operands.1)?)? }));
        }
        let rhs = self.value(&operands.1)?;
        Ok(match operator {
            Operator::And | Operator::Or => return Err(Unable),
            Operator::Equal => JValue::Bool(equal(&lhs, &rhs)?.unwrap_or(false)),
            Operator::NotEqual => JValue::Bool(equal(&lhs, &rhs)?.is_some_and(|equal| !equal)),
            Operator::In => member(&lhs, &rhs)?,
            Operator::Less => ordered(&lhs, &rhs, Ordering::is_lt)?,
            Operator::LessOrEqual => ordered(&lhs, &rhs, Ordering::is_le)?,
            Operator::Greater => ordered(&lhs, &rhs, Ordering::is_gt)?,
            Operator::GreaterOrEqual => ordered(&lhs, &rhs, Ordering::is_ge)?,
            Operator::Add => arithmetic(&lhs, &rhs, |lhs, rhs| lhs + rhs)?,
            Operator::Subtract => arithmetic(&lhs, &rhs, |lhs, rhs| lhs - rhs)?,
            Operator::Multiply => arithmetic(&lhs, &rhs, |lhs, rhs| lhs * rhs)?,
            Operator::Divide => arithmetic(&lhs, &rhs, |lhs, rhs| lhs / rhs)?,
        })
    }

    fn call(&mut self, function: Function, arguments: &[Shape]) -> Evaluated {
        if let (Function::Count, [array]) = (function, arguments) {
            return self.count(array);
        }
        let mut values = [JValue::Undefined, JValue::Undefined, JValue::Undefined];
        for (value, argument) in values.iter_mut().zip(arguments) {
            *value = self.value(argument)?;
        }
        Ok(match (function, &values) {
            (Function::Exists, [value, ..]) => JValue::Bool(!value.is_undefined()),
            (Function::Millis, _) => functions::millis(self.scope.now),
            (Function::Uuid, _) => JValue::string(self.scope.random.uuid()),
            (Function::Floor | Function::Number | Function::String, [JValue::Undefined, ..])
            | (Function::Join, [JValue::Undefined, JValue::String(_), _])
            | (Function::Substring, [JValue::Undefined, JValue::Number(_), JValue::Undefined | JValue::Number(_)]) => JValue::Undefined,
            // Others of nothing give nothing, or an error.
            (_, [JValue::Undefined, ..]) => return Err(Unable),
            (Function::Not, [value, ..]) => JValue::Bool(!truth(value)?),
            (Function::String, [JValue::String(text), ..]) => JValue::String(text.clone()),
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
            (Function::Join, [items, JValue::String(separator), _]) => join(items, separator)?,
            (Function::Substring, [JValue::String(text), start, length]) => substring(text, start, length)?,
            (Function::ToMillis, [JValue::String(text), ..]) => to_millis(text)?,
            (Function::Hash, [text, algorithm, _]) => functions::hash(text, algorithm).map_err(|_| Unable)?,
            (Function::Parse, [text, ..]) => functions::parse(text).map_err(|_| Unable)?,
            _ => return Err(Unable),
        })
    }

    fn count(&mut self, counted: &Shape) -> Evaluated {
        let count = |value: &JValue| match value {
            JValue::Undefined => 0,
            JValue::Array(items) => items.len(),
            _ => 1,
        };
        let count = match counted {
            Shape::Read(root, steps) => root.read(self.scope, steps, |found| match found {
                None => 0,
                Some(Form::Plain(Value::Array(items))) => items.len(),
                Some(Form::Plain(_)) => 1,
                Some(Form::Jsonata(value)) => count(value),
            })?,
            // Of those that a predicate selects, nothing need be copied.
            Shape::Each(each) if each.make.is_none() => {
                self.made(&each.source, each.predicate.as_ref(), Some(&Shape::Constant(JValue::Null)))?.len()
            }
            other => count(&self.value(other)?),
        };
        #[expect(clippy::cast_precision_loss, reason = "no array is that long")]
        Ok(JValue::Number(count as f64))
    }

    fn each(&mut self, each: &Each) -> Evaluated {
        let mut made = self.made(&each.source, each.predicate.as_ref(), each.make.as_ref())?;
        Ok(match made.len() {
            0 => JValue::Undefined,
            1 => made.remove(0),
            _ => JValue::array(made),
        })
    }

    fn made(&mut self, source: &Shape, predicate: Option<&Shape>, make: Option<&Shape>) -> Result<Vec<JValue>, Unable> {
        match source {
            // What is read needn't be converted as a whole.
            Shape::Read(root, steps) => root.read(self.scope, steps, |found| self.made_of(found, predicate, make))?,
            source => match self.value(source)? {
                JValue::Undefined => Ok(Vec::new()),
                value => self.made_of(Some(Form::Jsonata(&value)), predicate, make),
            },
        }
    }

    fn made_of(&mut self, source: Option<Form<'_>>, predicate: Option<&Shape>, make: Option<&Shape>) -> Result<Vec<JValue>, Unable> {
        let mut inner = Frame { scope: self.scope, locals: std::mem::take(&mut self.locals), item: None };
        let results = match source {
            None => Ok(Vec::new()),
            Some(Form::Plain(Value::Array(items))) => inner.each_item(items.iter().map(Form::Plain), predicate, make),
            Some(Form::Jsonata(JValue::Array(items))) => inner.each_item(items.iter().map(Form::Jsonata), predicate, make),
            Some(single) => inner.each_item(std::iter::once(single), predicate, make),
        };
        self.locals = inner.locals;
        results
    }

    fn follow_item(&self, steps: &[Step]) -> Result<Option<Form<'_>>, Unable> {
        self.item.map_or(Ok(None), |item| follow(item, steps))
    }

    /// Whether what is read is that text, without copying it; nothing if it isn't as simple as that.
    fn is_text(&self, read: &Shape, text: &str) -> Option<bool> {
        let is = |found: Option<Form<'_>>| match found {
            Some(Form::Plain(Value::String(found))) => Some(found == text),
            Some(Form::Jsonata(JValue::String(found))) => Some(&**found == text),
            _ => None,
        };
        match read {
            Shape::Read(root, steps) => root.read(self.scope, steps, is).ok()?,
            Shape::ReadItem(steps) => is(self.follow_item(steps).ok()?),
            _ => None,
        }
    }
}

impl<'b> Frame<'_, 'b> {
    fn each_item(
        &mut self,
        items: impl Iterator<Item = Form<'b>>,
        predicate: Option<&Shape>,
        make: Option<&Shape>,
    ) -> Result<Vec<JValue>, Unable> {
        let mut results = Vec::with_capacity(items.size_hint().0);
        for item in items {
            if matches!(item, Form::Plain(Value::Array(_)) | Form::Jsonata(JValue::Array(_))) {
                return Err(Unable);
            }
            self.item = Some(item);
            if let Some(predicate) = predicate {
                // A number would be the position of an item.
                match self.value(predicate)? {
                    JValue::Number(_) => return Err(Unable),
                    holds if !truth(&holds)? => continue,
                    _ => {}
                }
            }
            match make.map_or_else(|| Ok(item.to_jsonata()), |make| self.value(make))? {
                JValue::Undefined => {}
                JValue::Array(_) => return Err(Unable),
                value => results.push(value),
            }
        }
        Ok(results)
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
    match value {
        JValue::Undefined => Ok(()),
        JValue::String(string) => {
            text.push_str(string);
            Ok(())
        }
        JValue::Array(_) | JValue::Object(_) if !has_short_numbers(value) => Err(Unable),
        JValue::Array(_) | JValue::Object(_) => {
            text.push_str(Json::from_jsonata(value.clone()).text());
            Ok(())
        }
        JValue::Null => {
            text.push_str("null");
            Ok(())
        }
        JValue::Bool(bool) => {
            text.push_str(if *bool { "true" } else { "false" });
            Ok(())
        }
        JValue::Number(number) => write!(text, "{}", short_whole(*number)?).map_err(|_| Unable),
        _ => Err(Unable),
    }
}

fn has_short_numbers(value: &JValue) -> bool {
    match value {
        JValue::Null | JValue::Bool(_) | JValue::String(_) => true,
        JValue::Number(number) => short_whole(*number).is_ok(),
        JValue::Array(items) => items.iter().all(has_short_numbers),
        JValue::Object(fields) => fields.values().all(has_short_numbers),
        _ => false,
    }
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

/// Nothing where one of them is undefined: then they are neither equal nor unequal.
fn equal(lhs: &JValue, rhs: &JValue) -> Result<Option<bool>, Unable> {
    let is_simple = |value: &JValue| matches!(value, JValue::Null | JValue::Bool(_) | JValue::Number(_) | JValue::String(_));
    match (lhs, rhs) {
        (JValue::Undefined, _) | (_, JValue::Undefined) => Ok(None),
        (lhs, rhs) if is_simple(lhs) && is_simple(rhs) => Ok(Some(lhs == rhs)),
        _ => Err(Unable),
    }
}

fn member(lhs: &JValue, rhs: &JValue) -> Evaluated {
    let JValue::Array(items) = rhs else {
        return if lhs.is_undefined() || rhs.is_undefined() { Ok(JValue::Bool(false)) } else { Err(Unable) };
    };
    let mut found = false;
    for item in items {
        found |= equal(lhs, item)?.unwrap_or(false);
    }
    Ok(JValue::Bool(found))
}

fn ordered(lhs: &JValue, rhs: &JValue, holds: fn(Ordering) -> bool) -> Evaluated {
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

fn join(items: &JValue, separator: &str) -> Evaluated {
    match items {
        JValue::String(single) => Ok(JValue::String(single.clone())),
        JValue::Array(items) => {
            let texts: Option<Vec<&str>> = items.iter().map(JValue::as_str).collect();
            texts.map(|texts| JValue::string(texts.join(separator))).ok_or(Unable)
        }
        _ => Err(Unable),
    }
}

fn substring(text: &str, start: &JValue, length: &JValue) -> Evaluated {
    let whole = |number: &JValue| match number {
        JValue::Number(number) => usize::try_from(short_whole(*number)?).map_err(|_| Unable),
        _ => Err(Unable),
    };
    let start = whole(start)?;
    let length = if length.is_undefined() { text.len() } else { whole(length)? };
    if !text.is_ascii() {
        return Err(Unable);
    }
    let start = start.min(text.len());
    let end = start.saturating_add(length).min(text.len());
    Ok(JValue::string(&text[start..end]))
}

/// Only what Step Functions itself writes: `2026-01-31T23:59:59.999Z`, with or without the fraction.
fn to_millis(text: &str) -> Evaluated {
    let is_like = |shape: &str| {
        let alike = |(shape, byte): (u8, u8)| if shape == b'0' { byte.is_ascii_digit() } else { byte == shape };
        shape.len() == text.len() && shape.bytes().zip(text.bytes()).all(alike)
    };
    if !is_like("0000-00-00T00:00:00.000Z") && !is_like("0000-00-00T00:00:00Z") {
        return Err(Unable);
    }
    let timestamp: jiff::Timestamp = text.parse().map_err(|_| Unable)?;
    #[expect(clippy::cast_precision_loss, reason = "the years 0000 to 9999 fit")]
    Ok(JValue::Number(timestamp.as_millisecond() as f64))
}

fn date(millis: f64, picture: &[Piece]) -> Evaluated {
    let timestamp = jiff::Timestamp::from_millisecond(short_whole(millis)?).map_err(|_| Unable)?;
    let date = jiff::tz::Offset::UTC.to_datetime(timestamp);
    if !(1000..=9999).contains(&date.year()) {
        return Err(Unable);
    }
    let mut text = String::new();
    for piece in picture {
        let written = match piece {
            Piece::Year => write!(text, "{:04}", date.year()),
            Piece::Month => write!(text, "{:02}", date.month()),
            Piece::Day => write!(text, "{:02}", date.day()),
            Piece::Hour => write!(text, "{:02}", date.hour()),
            Piece::Minute => write!(text, "{:02}", date.minute()),
            Piece::Second => write!(text, "{:02}", date.second()),
            Piece::Literal(literal) => write!(text, "{literal}"),
        };
        written.map_err(|_| Unable)?;
    }
    Ok(JValue::string(text))
}
