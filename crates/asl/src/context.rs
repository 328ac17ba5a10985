//! What paths and expressions of a state see.

use std::cell::OnceCell;
use std::rc::Rc;

use serde_json::Value;

use crate::random::Random;
use crate::value::{Instant, Json};

/// What a path or an expression sees while it is evaluated.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    /// JSONPath's `$`, JSONata's `$states.input`.
    pub(crate) input: &'a Json,
    /// `$$` and `$states.context`.
    pub(crate) context: &'a Context<'a>,
    /// `$states.result`, where the state has one.
    pub(crate) result: Option<&'a Json>,
    /// `$states.errorOutput`, in a Catch.
    pub(crate) error_output: Option<&'a Json>,
    /// `$name`.
    pub(crate) variables: &'a Variables,
    /// Where `$uuid`, `$random` and States.MathRandom come from.
    pub(crate) random: &'a Random,
    /// What `$now` and `$millis` tell.
    pub(crate) now: Instant,
}

/// The context object, made when somebody first looks at the whole of it.
pub(crate) struct Context<'a> {
    make: &'a dyn Fn() -> Value,
    one: &'a dyn Fn(&str, &str) -> Option<Json>,
    made: OnceCell<Json>,
}

impl<'a> Context<'a> {
    /// `one` tells a single field, such as `Execution` `Name`, without making the others; what it doesn't tell is looked up
    /// in the whole.
    pub(crate) fn with_fields(make: &'a dyn Fn() -> Value, one: &'a dyn Fn(&str, &str) -> Option<Json>) -> Self {
        Self { make, one, made: OnceCell::new() }
    }

    pub(crate) fn json(&self) -> &Json {
        self.made.get_or_init(|| (self.make)().into())
    }

    /// A field of one of its sections; most expressions that look at the context want no more.
    pub(crate) fn field(&self, section: &str, name: &str) -> Option<Json> {
        if self.made.get().is_none()
            && let Some(told) = (self.one)(section, name)
        {
            return Some(told);
        }
        self.json().value().get(section)?.get(name).cloned().map(Json::from)
    }
}

/// The variables of a scope, and through it those of the scopes around it: a branch reads them and changes only its own.
#[derive(Clone, Default)]
pub(crate) struct Variables(Option<Rc<Layer>>);

struct Layer {
    names: Vec<(Rc<str>, Json)>,
    outer: Variables,
}

impl Variables {
    pub(crate) fn lookup(&self, name: &str) -> Option<&Json> {
        let layer = self.0.as_ref()?;
        layer.names.iter().find(|(known, _)| &**known == name).map(|(_, value)| value).or_else(|| layer.outer.lookup(name))
    }

    /// A scope inside this one.
    pub(crate) fn inner(&self) -> Self {
        Self(Some(Rc::new(Layer { names: Vec::new(), outer: self.clone() })))
    }

    /// Assigns in this scope, all at once.
    pub(crate) fn assign(&mut self, assigned: &[(Rc<str>, Json)]) {
        let (mut names, outer) = match &self.0 {
            Some(layer) => (layer.names.clone(), layer.outer.clone()),
            None => (Vec::new(), Variables(None)),
        };
        for (name, value) in assigned {
            match names.iter_mut().find(|(known, _)| known == name) {
                Some(known) => known.1 = value.clone(),
                None => names.push((name.clone(), value.clone())),
            }
        }
        self.0 = Some(Rc::new(Layer { names, outer }));
    }

    /// Every visible variable, the innermost of a name only.
    pub(crate) fn all(&self) -> Vec<(&str, &Json)> {
        let mut all: Vec<(&str, &Json)> = Vec::new();
        let mut next = self.0.as_deref();
        while let Some(layer) = next {
            for (name, value) in &layer.names {
                if !all.iter().any(|(known, _)| *known == &**name) {
                    all.push((name, value));
                }
            }
            next = layer.outer.0.as_deref();
        }
        all
    }
}

/// Why a path, a template or an expression gave no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The error name that the state fails with.
    pub(crate) error: &'static str,
    /// The field with the fault, such as `Output/result`, as `EvaluationFailed` shows it.
    pub(crate) location: Option<String>,
    /// The sentence that follows «An error occurred while executing the state … (entered at the event id #…). ».
    pub(crate) message: String,
}

impl Fault {
    pub(crate) const QUERY: &'static str = "States.QueryEvaluationError";
    pub(crate) const RESULT_PATH: &'static str = "States.ResultPathMatchFailure";
    pub(crate) const RUNTIME: &'static str = "States.Runtime";

    /// A fault of JSONPath, of a field's value, of the definition.
    pub(crate) fn runtime(message: impl Into<String>) -> Self {
        Self { error: Self::RUNTIME, location: None, message: message.into() }
    }

    /// A fault of JSONata.
    pub(crate) fn query(location: impl Into<String>, message: impl Into<String>) -> Self {
        Self { error: Self::QUERY, location: Some(location.into()), message: message.into() }
    }
}
