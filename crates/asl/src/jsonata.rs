//! JSONata expressions (`{% … %}`) and the templates that hold them, with the functions that Step Functions adds.
//!
//! The rules: <https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html>; JSONata is version 2.0.6.

mod functions;
mod mentions;
mod native;
mod tree;
mod wording;

use std::fmt;
use std::rc::Rc;

use jsonata_core::ast::AstNode;
use jsonata_core::evaluator::{Context, Evaluator, EvaluatorError, EvaluatorOptions};
use jsonata_core::parser;
use jsonata_core::value::{JArray, JMap, JValue};
use serde_json::Value;

pub(crate) use self::functions::names as functions;
pub(crate) use self::wording::unparsed;

use self::functions::{Function, Surroundings};
use self::mentions::{ContextMentions, Mentions, Part};
use self::native::Native;
use crate::context::{Fault, Scope};
use crate::value::{Form, Json};

/// A field's value with every expression in it compiled once; what holds no expression is kept as it is.
pub(crate) struct Query(Template);

impl Query {
    /// `field` is where the value stands, such as `Output`; expressions deeper inside are told as `Output/result`.
    pub(crate) fn compile(value: &Value, field: &str) -> Result<Self, Refusal> {
        Template::compile(value, field.to_owned()).map(Self)
    }

    pub(crate) fn evaluate(&self, scope: &Scope<'_>) -> Result<Json, Fault> {
        self.0.json(scope)
    }

    /// Evaluates a field that must be of one kind, such as a Map's `Items`; what is no expression was checked at load.
    pub(crate) fn typed(&self, scope: &Scope<'_>, expected: Expected) -> Result<Json, Fault> {
        let json = self.0.json(scope)?;
        match &self.0 {
            Template::Expression(expression) if !expected.accepts(&json) => {
                Err(expression.fault(&wording::unexpected_type(expected, &json)))
            }
            _ => Ok(json),
        }
    }

    /// An `Assign`: its top-level names with their values, all from the scope as it was before.
    pub(crate) fn assign(&self, scope: &Scope<'_>) -> Result<Vec<(Rc<str>, Json)>, Fault> {
        match &self.0 {
            Template::Object(fields) => fields.iter().map(|(name, field)| Ok((name.clone(), field.json(scope)?))).collect(),
            template => {
                let json = template.json(scope)?;
                let fields = json.value().as_object().into_iter().flatten();
                Ok(fields.map(|(name, field)| (name.as_str().into(), field.clone().into())).collect())
            }
        }
    }
}

/// What a field's value must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    Array,
    Boolean,
    Integer,
    Number,
    String,
}

impl Expected {
    fn accepts(self, json: &Json) -> bool {
        match (self, json.form()) {
            (Self::Array, Form::Plain(Value::Array(_)) | Form::Jsonata(JValue::Array(_)))
            | (Self::Boolean, Form::Plain(Value::Bool(_)) | Form::Jsonata(JValue::Bool(_)))
            | (Self::Number, Form::Plain(Value::Number(_)) | Form::Jsonata(JValue::Number(_)))
            | (Self::String, Form::Plain(Value::String(_)) | Form::Jsonata(JValue::String(_))) => true,
            (Self::Integer, Form::Plain(Value::Number(number))) => number.as_f64().is_some_and(|number| number.fract() == 0.0),
            (Self::Integer, Form::Jsonata(JValue::Number(number))) => number.fract() == 0.0,
            _ => false,
        }
    }
}

/// Why a definition with this expression is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Where the expression stands, such as `Output/result`.
    pub(crate) location: String,
    /// `INVALID_JSONATA_EXPRESSION` or `UNSUPPORTED_JSONATA_EXPRESSION`, as Step Functions names it.
    pub(crate) code: &'static str,
    /// Why, in Step Functions' words.
    pub(crate) message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {} at {}", self.code, self.message, self.location)
    }
}

/// What is between `{%` and `%}` if a string is nothing but an expression.
pub(crate) fn expression(text: &str) -> Option<&str> {
    text.strip_prefix("{%")?.strip_suffix("%}").map(str::trim)
}

enum Template {
    Constant(Json),
    Expression(Box<Expression>),
    Array(Vec<Template>),
    Object(Vec<(Rc<str>, Template)>),
}

impl Template {
    fn compile(value: &Value, location: String) -> Result<Self, Refusal> {
        match value {
            Value::String(text) => match expression(text) {
                Some(source) => Ok(Self::Expression(Box::new(Expression::compile(source, location)?))),
                None => Ok(Self::Constant(value.clone().into())),
            },
            Value::Array(items) => {
                let compiled = items.iter().enumerate().map(|(index, item)| Self::compile(item, format!("{location}[{index}]")));
                let compiled = compiled.collect::<Result<Vec<_>, _>>()?;
                let dynamic = compiled.iter().any(|item| !matches!(item, Self::Constant(_)));
                Ok(if dynamic { Self::Array(compiled) } else { Self::Constant(value.clone().into()) })
            }
            Value::Object(fields) => {
                let compiled =
                    fields.iter().map(|(name, field)| Ok((name.as_str().into(), Self::compile(field, format!("{location}/{name}"))?)));
                let compiled = compiled.collect::<Result<Vec<(Rc<str>, Self)>, _>>()?;
                let dynamic = compiled.iter().any(|(_, field)| !matches!(field, Self::Constant(_)));
                Ok(if dynamic { Self::Object(compiled) } else { Self::Constant(value.clone().into()) })
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => Ok(Self::Constant(value.clone().into())),
        }
    }

    fn json(&self, scope: &Scope<'_>) -> Result<Json, Fault> {
        match self {
            Self::Constant(json) => Ok(json.clone()),
            Self::Expression(expression) => match expression.native.as_ref().and_then(|native| native.whole(scope)) {
                Some(json) => Ok(json),
                None => expression.value(scope).map(Json::from_jsonata),
            },
            Self::Array(_) | Self::Object(_) => self.value(scope).map(Json::from_jsonata),
        }
    }

    fn value(&self, scope: &Scope<'_>) -> Result<JValue, Fault> {
        match self {
            Self::Constant(json) => Ok(json.jsonata().clone()),
            Self::Expression(expression) => expression.value(scope),
            Self::Array(items) => Ok(JValue::array(items.iter().map(|item| item.value(scope)).collect::<Result<_, _>>()?)),
            Self::Object(fields) => {
                let fields = fields.iter().map(|(name, field)| Ok((name.to_string(), field.value(scope)?)));
                Ok(JValue::Object(Rc::new(fields.collect::<Result<JMap, _>>()?)))
            }
        }
    }
}

struct Expression {
    source: String,
    location: String,
    ast: AstNode,
    mentions: Mentions,
    /// Those that the evaluator is to be given.
    functions: Vec<Function>,
    native: Option<Native>,
    /// It is deeper than Step Functions goes, so it fails.
    too_deep: bool,
}

/// Step Functions goes no deeper than this into an expression, and into the calls of its functions.
const DEEPEST: usize = 100;

impl Expression {
    fn compile(source: &str, location: String) -> Result<Self, Refusal> {
        const INVALID: &str = "INVALID_JSONATA_EXPRESSION";
        let refusal = |code, message| Refusal { location: location.clone(), code, message };
        let ast = parser::parse(source).map_err(|error| refusal(INVALID, wording::unparsed(source, &error)))?;
        let mentions = mentions::analyse(&ast).map_err(|unsupported| {
            let code = if unsupported.is_syntax() { INVALID } else { "UNSUPPORTED_JSONATA_EXPRESSION" };
            refusal(code, unsupported.to_string())
        })?;
        let too_deep = tree::depth(&ast) > DEEPEST;
        let native = if too_deep { None } else { Native::build(&ast, &constant) };
        let names = mentions.functions.iter().chain(&mentions.variables);
        let functions = names.filter_map(|name| Function::named(name)).collect();
        Ok(Self { source: source.to_owned(), location, ast, mentions, functions, native, too_deep })
    }

    /// JSON, without the marks that JSONata leaves on arrays.
    fn value(&self, scope: &Scope<'_>) -> Result<JValue, Fault> {
        let value = match self.native.as_ref().map(|native| native.evaluate(scope)) {
            Some(Ok(value)) => value,
            Some(Err(native::Unable)) | None => self.evaluate(scope)?,
        };
        match value {
            JValue::Undefined => Err(self.fault("returned nothing (undefined).")),
            value => Ok(value),
        }
    }

    fn evaluate(&self, scope: &Scope<'_>) -> Result<JValue, Fault> {
        if self.too_deep {
            return Err(self.fault(&format!("threw an error during evaluation: {}", wording::TOO_DEEP)));
        }
        let surroundings = Rc::new(Surroundings { random: scope.random.clone(), now: scope.now });
        let result = self.run(&self.ast, scope, &surroundings);
        scope.random.continue_from(&surroundings.random);
        match result {
            Ok(value) => json_of(value).ok_or_else(|| self.fault("returned an unsupported result type.")),
            Err(error) => {
                let again = |node: &AstNode| self.run(node, scope, &surroundings);
                Err(self.fault(&format!("threw an error during evaluation{}", wording::thrown(&error, &self.ast, &again))))
            }
        }
    }

    /// Only what the expression mentions is bound: building the rest would take longer than most expressions.
    fn run(&self, ast: &AstNode, scope: &Scope<'_>, surroundings: &Rc<Surroundings>) -> Result<JValue, EvaluatorError> {
        let mut context = Context::new();
        for name in &self.mentions.variables {
            if let Some(value) = scope.variables.lookup(name) {
                context.bind(name.to_string(), value.jsonata().clone());
            }
        }
        let states = states(&self.mentions, scope);
        if !states.is_empty() {
            context.bind("states".to_owned(), JValue::Object(Rc::new(states)));
        }
        let mut evaluator = Evaluator::with_options(context, limits(&self.mentions));
        for function in &self.functions {
            function.register(&mut evaluator, surroundings)?;
        }
        evaluator.evaluate(ast, &JValue::Undefined)
    }

    fn fault(&self, what: &str) -> Fault {
        let message = format!("The JSONata expression '{}' specified for the field '{}' {what}", self.source, self.location);
        Fault::query(self.location.clone(), message)
    }
}

/// The parts of `$states` that an expression mentions.
fn states(mentions: &Mentions, scope: &Scope<'_>) -> JMap {
    let reads = |part| mentions.states.contains(&part) || mentions.states.contains(&Part::Whole);
    let mut states = JMap::default();
    if reads(Part::Input) {
        states.insert("input".to_owned(), scope.input.jsonata().clone());
    }
    let context = match &mentions.context {
        ContextMentions::Fields(fields) if !reads(Part::Whole) => Some(context_of(fields, scope)),
        ContextMentions::Nothing if !reads(Part::Whole) => None,
        _ => Some(scope.context.json().jsonata().clone()),
    };
    if let Some(context) = context {
        states.insert("context".to_owned(), context);
    }
    if let Some(result) = scope.result.filter(|_| reads(Part::Result)) {
        states.insert("result".to_owned(), result.jsonata().clone());
    }
    if let Some(error_output) = scope.error_output.filter(|_| reads(Part::ErrorOutput)) {
        states.insert("errorOutput".to_owned(), error_output.jsonata().clone());
    }
    states
}

fn context_of(fields: &[(Rc<str>, Rc<str>)], scope: &Scope<'_>) -> JValue {
    let mut sections = JMap::default();
    for (section, name) in fields {
        if let Some(value) = scope.context.field(section, name)
            && let JValue::Object(fields) = sections.entry(section.to_string()).or_insert_with(|| JValue::Object(Rc::default()))
        {
            Rc::make_mut(fields).insert(name.to_string(), value.jsonata().clone());
        }
    }
    JValue::Object(Rc::new(sections))
}

/// Step Functions bounds an evaluation's depth, memory and time. The clock is asked only where an expression may never end.
fn limits(mentions: &Mentions) -> EvaluatorOptions {
    EvaluatorOptions {
        timeout_ms: mentions.recursive.then_some(1000),
        max_stack_depth: Some(DEEPEST),
        max_sequence_length: Some(873_000),
        ..EvaluatorOptions::default()
    }
}

/// The value of what depends on neither the scope nor the clock nor chance, and is JSON.
fn constant(ast: &AstNode) -> Option<JValue> {
    match ast {
        AstNode::String(text) => return Some(JValue::string(text.as_str())),
        AstNode::Variable(_) | AstNode::Path { .. } | AstNode::Block(_) | AstNode::Lambda { .. } => return None,
        _ => {}
    }
    let found = mentions::analyse(ast).ok()?;
    let is_pure = |name: &Rc<str>| functions::is_known(name) && Function::named(name).is_none_or(Function::is_pure);
    let nothing = Mentions { functions: found.functions.clone(), ..Mentions::default() };
    if found != nothing || !found.functions.iter().all(is_pure) {
        return None;
    }
    let surroundings = Rc::new(Surroundings { random: crate::random::Random::new(0, &[]), now: crate::value::Instant(0) });
    let mut evaluator = Evaluator::with_options(Context::new(), limits(&found));
    for function in found.functions.iter().filter_map(|name| Function::named(name)) {
        function.register(&mut evaluator, &surroundings).ok()?;
    }
    let value = evaluator.evaluate(ast, &JValue::Undefined).ok()?;
    json_of(value).filter(|value| !value.is_undefined())
}

/// The value with plain arrays, or undefined; nothing if a function is in it.
fn json_of(value: JValue) -> Option<JValue> {
    match value {
        JValue::Undefined => Some(JValue::Undefined),
        value if is_json(&value) => Some(value),
        value => cleared(&value),
    }
}

/// Whether it is JSON as it stands, with no marks on its arrays.
fn is_json(value: &JValue) -> bool {
    match value {
        JValue::Null | JValue::Bool(_) | JValue::Number(_) | JValue::String(_) => true,
        JValue::Array(items) => !is_marked(items) && items.iter().all(is_json),
        JValue::Object(fields) => fields.values().all(is_json),
        _ => false,
    }
}

fn is_marked(items: &JArray) -> bool {
    items.sequence || items.cons || items.keep_singleton || items.outer_wrapper || items.sorted_tuples
}

fn cleared(value: &JValue) -> Option<JValue> {
    Some(match value {
        JValue::Null | JValue::Bool(_) | JValue::Number(_) | JValue::String(_) => value.clone(),
        JValue::Array(items) => JValue::array(items.iter().map(cleared).collect::<Option<_>>()?),
        JValue::Object(fields) => {
            let fields = fields.iter().map(|(name, field)| Some((name.clone(), cleared(field)?)));
            JValue::Object(Rc::new(fields.collect::<Option<JMap>>()?))
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
