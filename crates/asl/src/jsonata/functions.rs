//! The functions that Step Functions adds to JSONata, and those of JSONata's own that must not look at the clock or at chance.
//!
//! <https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html>, "JSONata functions provided by Step Functions".

use std::rc::Rc;

use jsonata_core::ast::AstNode;
use jsonata_core::evaluator::{Context, Evaluator, EvaluatorError};
use jsonata_core::value::JValue;
use serde_json::Value;

use crate::digest;
use crate::random::Random;
use crate::value::{Form, Instant};

/// The functions that there are; `$eval` is none.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    JSONATA.iter().copied().chain(["hash", "millis", "now", "parse", "partition", "random", "range", "shuffle", "uuid"])
}

pub(super) fn is_known(name: &str) -> bool {
    names().any(|known| known == name)
}

/// What functions draw from and tell, for one evaluation.
pub(super) struct Surroundings {
    pub(super) random: Random,
    pub(super) now: Instant,
}

/// The functions of an expression that JSONata's evaluator is to be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Eval,
    Hash,
    Millis,
    Now,
    Parse,
    Partition,
    Random,
    Range,
    Shuffle,
    Uuid,
}

type Given = Result<JValue, EvaluatorError>;

impl Function {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "eval" => Self::Eval,
            "hash" => Self::Hash,
            "millis" => Self::Millis,
            "now" => Self::Now,
            "parse" => Self::Parse,
            "partition" => Self::Partition,
            "random" => Self::Random,
            "range" => Self::Range,
            "shuffle" => Self::Shuffle,
            "uuid" => Self::Uuid,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Eval => "eval",
            Self::Hash => "hash",
            Self::Millis => "millis",
            Self::Now => "now",
            Self::Parse => "parse",
            Self::Partition => "partition",
            Self::Random => "random",
            Self::Range => "range",
            Self::Shuffle => "shuffle",
            Self::Uuid => "uuid",
        }
    }

    /// Whether the same arguments give the same result.
    pub(super) fn is_pure(self) -> bool {
        matches!(self, Self::Hash | Self::Parse | Self::Partition | Self::Range)
    }

    pub(super) fn register(self, evaluator: &mut Evaluator, surroundings: &Rc<Surroundings>) -> Result<(), EvaluatorError> {
        let surroundings = Rc::clone(surroundings);
        evaluator.register_fn_override(self.name(), move |arguments: &[JValue]| self.call(arguments, &surroundings))
    }

    fn call(self, arguments: &[JValue], surroundings: &Surroundings) -> Given {
        let argument = |index: usize| arguments.get(index).unwrap_or(&JValue::Undefined);
        match self {
            Self::Eval => Err(EvaluatorError::EvaluationError("T1006: Attempted to invoke a non-function".to_owned())),
            Self::Hash => hash(argument(0), argument(1)),
            Self::Millis => Ok(millis(surroundings.now)),
            Self::Now => formatted(surroundings.now, argument(0), argument(1)),
            Self::Parse => parse(argument(0)),
            Self::Partition => partition(argument(0), argument(1)),
            Self::Random => random(argument(0), &surroundings.random),
            Self::Range => range(argument(0), argument(1), argument(2)),
            Self::Shuffle => Ok(shuffle(argument(0), &surroundings.random)),
            Self::Uuid => Ok(JValue::string(surroundings.random.uuid())),
        }
    }
}

pub(super) fn millis(now: Instant) -> JValue {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit for another 280,000 years")]
    let millis = now.0 as f64;
    JValue::Number(millis)
}

/// `$now([picture[, timezone]])`: as `$fromMillis` writes it.
fn formatted(now: Instant, picture: &JValue, timezone: &JValue) -> Given {
    if picture.is_undefined() {
        return Ok(JValue::string(now.to_string()));
    }
    let variable = |name: &str| AstNode::Variable(name.to_owned());
    let arguments = vec![variable("millis"), variable("picture"), variable("timezone")];
    let call = AstNode::Function { name: "fromMillis".to_owned(), args: arguments, is_builtin: true };
    let mut context = Context::new();
    context.bind("millis".to_owned(), millis(now));
    context.bind("picture".to_owned(), picture.clone());
    context.bind("timezone".to_owned(), timezone.clone());
    Evaluator::with_context(context).evaluate(&call, &JValue::Undefined)
}

/// `$parse(text)`: what the JSON text says; `$eval` isn't to be had.
pub(super) fn parse(text: &JValue) -> Given {
    match text {
        JValue::Undefined => Ok(JValue::Undefined),
        JValue::String(text) => match serde_json::from_str::<Value>(text) {
            Ok(value) => Ok(Form::Plain(&value).to_jsonata()),
            Err(_) => Err(EvaluatorError::EvaluationError("D3120: Syntax error in expression passed to function parse".to_owned())),
        },
        _ => Err(mismatch(1, "parse")),
    }
}

/// `$hash(text, algorithm)`.
pub(super) fn hash(text: &JValue, algorithm: &JValue) -> Given {
    match (text, algorithm) {
        (JValue::Undefined, _) => Ok(JValue::Undefined),
        (JValue::String(text), JValue::String(algorithm)) => match digest::hash(text, algorithm) {
            Some(hash) => Ok(JValue::string(hash)),
            None => Err(mismatch(2, "hash")),
        },
        (JValue::String(_), _) => Err(mismatch(2, "hash")),
        _ => Err(mismatch(1, "hash")),
    }
}

/// `$partition(array, size)`: the array in pieces of that size; the last may be shorter.
fn partition(array: &JValue, size: &JValue) -> Given {
    let items = match array {
        JValue::Undefined => return Ok(JValue::Undefined),
        JValue::Array(items) => items.as_slice(),
        single => std::slice::from_ref(single),
    };
    match whole(size).and_then(|size| usize::try_from(size).ok()) {
        Some(size) if size > 0 => Ok(JValue::array(items.chunks(size).map(|piece| JValue::array(piece.to_vec())).collect())),
        _ => Err(mismatch(2, "partition")),
    }
}

/// `$range(first, last, step)`: a sequence, so one number alone is no array.
fn range(first: &JValue, last: &JValue, step: &JValue) -> Given {
    const MOST: i64 = 1_000_000;
    if [first, last, step].iter().any(|argument| argument.is_undefined()) {
        return Ok(JValue::Undefined);
    }
    let first = whole(first).ok_or_else(|| mismatch(1, "range"))?;
    let last = whole(last).ok_or_else(|| mismatch(2, "range"))?;
    let step = whole(step).filter(|step| *step != 0).ok_or_else(|| mismatch(3, "range"))?;
    let count = (last.saturating_sub(first).saturating_add(step)) / step;
    if count > MOST {
        return Err(EvaluatorError::EvaluationError(format!(
            "D2014: The size of the sequence allocated by the range operator (..) must not exceed 1e6.  Attempted to allocate {count}."
        )));
    }
    #[expect(clippy::cast_precision_loss, reason = "the arguments came as such numbers")]
    Ok(JValue::sequence((0..count).map(|index| JValue::Number((first + index * step) as f64)).collect()))
}

/// `$random([seed])`: with a seed, what java.util.Random gives first, as Step Functions does.
fn random(seed: &JValue, chance: &Random) -> Given {
    match seed {
        JValue::Undefined => Ok(JValue::Number(chance.unit())),
        seed => whole(seed).map(|seed| JValue::Number(first_of_java(seed))).ok_or_else(|| mismatch(1, "random")),
    }
}

/// `new java.util.Random(seed).nextDouble()`, a linear congruential generator of 48 bits.
fn first_of_java(seed: i64) -> f64 {
    const MULTIPLIER: u64 = 0x5_DEEC_E66D;
    const MASK: u64 = (1 << 48) - 1;
    let mut state = (seed.cast_unsigned() ^ MULTIPLIER) & MASK;
    let mut next = |bits: u32| {
        state = (state.wrapping_mul(MULTIPLIER).wrapping_add(0xB)) & MASK;
        state >> (48 - bits)
    };
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    let bits = ((next(26) << 27) + next(27)) as f64;
    bits / 9_007_199_254_740_992.0
}

/// `$shuffle(array)`, by chance of the execution's own (Durstenfeld 1964).
fn shuffle(array: &JValue, chance: &Random) -> JValue {
    let JValue::Array(items) = array else { return array.clone() };
    let mut items = items.to_vec();
    for last in (1..items.len()).rev() {
        let other = usize::try_from(chance.bits() % (last as u64 + 1)).expect("smaller than the array");
        items.swap(last, other);
    }
    JValue::array(items)
}

fn whole(number: &JValue) -> Option<i64> {
    match number {
        #[expect(clippy::cast_possible_truncation, reason = "the fraction is zero and the magnitude is checked")]
        JValue::Number(number) if number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0 => Some(*number as i64),
        _ => None,
    }
}

fn mismatch(index: usize, function: &str) -> EvaluatorError {
    EvaluatorError::TypeError(format!("T0410: Argument {index} of function \"{function}\" does not match function signature"))
}

/// The functions of JSONata 2.0.6 that its evaluator brings along (<https://docs.jsonata.org/2.0.0/overview>).
const JSONATA: &[&str] = &[
    "abs",
    "append",
    "assert",
    "average",
    "base64decode",
    "base64encode",
    "boolean",
    "ceil",
    "clone",
    "contains",
    "count",
    "decodeUrl",
    "decodeUrlComponent",
    "distinct",
    "each",
    "encodeUrl",
    "encodeUrlComponent",
    "error",
    "exists",
    "filter",
    "floor",
    "formatBase",
    "formatInteger",
    "formatNumber",
    "fromMillis",
    "join",
    "keys",
    "length",
    "lookup",
    "lowercase",
    "map",
    "match",
    "max",
    "merge",
    "min",
    "not",
    "number",
    "pad",
    "parseInteger",
    "power",
    "reduce",
    "replace",
    "reverse",
    "round",
    "sift",
    "single",
    "sort",
    "split",
    "spread",
    "sqrt",
    "string",
    "substring",
    "substringAfter",
    "substringBefore",
    "sum",
    "toMillis",
    "trim",
    "type",
    "uppercase",
    "zip",
];

#[cfg(test)]
mod tests {
    use super::first_of_java;

    /// What Step Functions answers to `$random(42)`, and Java to `new Random(0).nextDouble()`.
    #[test]
    fn a_seed_gives_the_number_that_java_gives() {
        assert!((first_of_java(42) - 0.727_563_680_032_868_1).abs() < f64::EPSILON);
        assert!((first_of_java(0) - 0.730_967_787_376_657).abs() < f64::EPSILON);
    }
}
