//! JSONPath choice rules: comparison operators, `And`, `Or`, `Not`.

use std::cmp::Ordering;

use jiff::Timestamp;
use serde_json::{Map, Number, Value};

use crate::context::{Fault, Scope};
use crate::jsonpath::{Found, Path};
use crate::order;

/// A rule's condition that was read; `Next` and `Assign` are not its business.
#[derive(Debug, Clone)]
pub(crate) enum Comparison {
    All(Vec<Comparison>),
    Any(Vec<Comparison>),
    Not(Box<Comparison>),
    /// What stands at a path, put to a test.
    Test {
        variable: Path,
        test: Test,
    },
}

/// A comparison operator with what it compares with.
#[derive(Debug, Clone)]
pub(crate) enum Test {
    /// `StringEquals`, `NumericLessThanPath` and so on.
    Compare { kind: Kind, relation: Relation, with: Operand },
    /// `StringMatches`.
    Matches(Pattern),
    /// `IsNull`, `IsString` and so on.
    Is { nature: Nature, expected: bool },
    /// `IsPresent`.
    Present { expected: bool },
}

/// What an operator compares; anything else is no match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Number,
    Truth,
    Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relation {
    Equals,
    LessThan,
    LessThanEquals,
    GreaterThan,
    GreaterThanEquals,
}

#[derive(Debug, Clone)]
pub(crate) enum Operand {
    Literal(Literal),
    Path(Path),
}

/// What an operator compares with, read once.
#[derive(Debug, Clone)]
pub(crate) enum Literal {
    Text(String),
    Number(Number),
    Truth(bool),
    Timestamp(Timestamp),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nature {
    Null,
    Number,
    Text,
    Truth,
    Timestamp,
}

/// A `StringMatches` pattern: the texts between its asterisks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<String>);

impl Comparison {
    pub(crate) fn matches(&self, scope: &Scope<'_>) -> Result<bool, Fault> {
        match self {
            Self::All(comparisons) => {
                for comparison in comparisons {
                    if !comparison.matches(scope)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Any(comparisons) => {
                for comparison in comparisons {
                    if comparison.matches(scope)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::Not(comparison) => comparison.matches(scope).map(|matches| !matches),
            Self::Test { variable, test } => test.passes(variable, scope),
        }
    }

    pub(crate) fn compile(rule: &Value) -> Result<Self, String> {
        let Value::Object(fields) = rule else {
            return Err("A choice rule must be an object".to_owned());
        };
        let mut operators = fields.iter().filter(|(field, _)| !BESIDES.contains(&field.as_str()));
        let (operator, value) = operators.next().ok_or("A choice rule must have a comparison operator")?;
        if let Some((second, _)) = operators.next() {
            return Err(format!("A choice rule must have one comparison operator only, not both {operator} and {second}"));
        }
        match operator.as_str() {
            "And" => several(operator, value).map(Self::All),
            "Or" => several(operator, value).map(Self::Any),
            "Not" => Self::compile(value).map(|comparison| Self::Not(Box::new(comparison))),
            _ => Ok(Self::Test { variable: variable(fields)?, test: Test::compile(operator, value)? }),
        }
    }
}

/// Fields of a rule that aren't its operator.
const BESIDES: [&str; 6] = ["Variable", "Next", "Comment", "Assign", "Output", "QueryLanguage"];

fn several(operator: &str, value: &Value) -> Result<Vec<Comparison>, String> {
    match value {
        Value::Array(rules) if !rules.is_empty() => rules.iter().map(Comparison::compile).collect(),
        _ => Err(format!("The value for the field '{operator}' must be a non-empty ARRAY of choice rules")),
    }
}

fn variable(fields: &Map<String, Value>) -> Result<Path, String> {
    fields
        .get("Variable")
        .ok_or("The field 'Variable' is required but was missing")
        .map_err(str::to_owned)
        .and_then(|value| path("Variable", value))
}

fn path(field: &str, value: &Value) -> Result<Path, String> {
    value
        .as_str()
        .and_then(|text| Path::parse(text).ok())
        .ok_or_else(|| format!("The value for the field '{field}' must be a valid JSONPath"))
}

impl Test {
    fn compile(operator: &str, value: &Value) -> Result<Self, String> {
        let wanted = |expected: &str| format!("The value for the field '{operator}' must be {expected}");
        if let Some(nature) = operator.strip_prefix("Is") {
            let expected = value.as_bool().ok_or_else(|| wanted("a BOOLEAN"))?;
            let nature = match nature {
                "Present" => return Ok(Self::Present { expected }),
                "Null" => Nature::Null,
                "Numeric" => Nature::Number,
                "String" => Nature::Text,
                "Boolean" => Nature::Truth,
                "Timestamp" => Nature::Timestamp,
                _ => return Err(unknown(operator)),
            };
            return Ok(Self::Is { nature, expected });
        }
        if operator == "StringMatches" {
            return value.as_str().map(|text| Self::Matches(Pattern::parse(text))).ok_or_else(|| wanted("a STRING"));
        }
        let (stem, from_path) = operator.strip_suffix("Path").map_or((operator, false), |stem| (stem, true));
        let kinds = [("String", Kind::Text), ("Numeric", Kind::Number), ("Boolean", Kind::Truth), ("Timestamp", Kind::Timestamp)];
        let (relation, kind) =
            kinds.into_iter().find_map(|(name, kind)| Some((stem.strip_prefix(name)?, kind))).ok_or_else(|| unknown(operator))?;
        let relation = match relation {
            "Equals" => Relation::Equals,
            "LessThan" if kind != Kind::Truth => Relation::LessThan,
            "LessThanEquals" if kind != Kind::Truth => Relation::LessThanEquals,
            "GreaterThan" if kind != Kind::Truth => Relation::GreaterThan,
            "GreaterThanEquals" if kind != Kind::Truth => Relation::GreaterThanEquals,
            _ => return Err(unknown(operator)),
        };
        let with = if from_path {
            Operand::Path(path(operator, value)?)
        } else {
            Operand::Literal(kind.read(value).ok_or_else(|| wanted(kind.expected()))?)
        };
        Ok(Self::Compare { kind, relation, with })
    }

    fn passes(&self, variable: &Path, scope: &Scope<'_>) -> Result<bool, Fault> {
        if let Self::Present { expected } = self {
            return Ok(variable.find(scope).is_ok() == *expected);
        }
        let value = look_up(variable, scope)?;
        let value = &*value.into_value();
        Ok(match self {
            Self::Present { expected } => *expected,
            Self::Is { nature, expected } => nature.is_of(value) == *expected,
            Self::Matches(pattern) => value.as_str().is_some_and(|text| pattern.matches(text)),
            Self::Compare { relation, with: Operand::Literal(literal), .. } => relation.holds(literal.order_of(value)),
            Self::Compare { kind, relation, with: Operand::Path(path) } => {
                let with = kind.read(&look_up(path, scope)?.into_value());
                with.is_some_and(|with| relation.holds(with.order_of(value)))
            }
        })
    }
}

fn unknown(operator: &str) -> String {
    format!("Unknown comparison operator '{operator}'")
}

fn look_up<'a>(path: &Path, scope: &Scope<'a>) -> Result<Found<'a>, Fault> {
    path.find(scope).map_err(|_| {
        Fault::runtime(format!("Invalid path '{}': The choice state's condition path references an invalid value.", path.text()))
    })
}

impl Kind {
    fn read(self, value: &Value) -> Option<Literal> {
        match (self, value) {
            (Self::Text, Value::String(text)) => Some(Literal::Text(text.clone())),
            (Self::Number, Value::Number(number)) => Some(Literal::Number(number.clone())),
            (Self::Truth, Value::Bool(truth)) => Some(Literal::Truth(*truth)),
            (Self::Timestamp, Value::String(text)) => order::timestamp(text).map(Literal::Timestamp),
            _ => None,
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Self::Text => "a STRING",
            Self::Number => "a NUMBER",
            Self::Truth => "a BOOLEAN",
            Self::Timestamp => "a valid ISO-8601 timestamp",
        }
    }
}

impl Literal {
    /// How a value stands to it, if it is of its type.
    fn order_of(&self, value: &Value) -> Option<Ordering> {
        match (value, self) {
            (Value::String(value), Self::Text(text)) => Some(order::texts(value, text)),
            (Value::Number(value), Self::Number(number)) => order::numbers(value, number),
            (Value::Bool(value), Self::Truth(truth)) => Some(value.cmp(truth)),
            (Value::String(value), Self::Timestamp(timestamp)) => Some(order::timestamp(value)?.cmp(timestamp)),
            _ => None,
        }
    }
}

impl Relation {
    fn holds(self, order: Option<Ordering>) -> bool {
        order.is_some_and(|order| match self {
            Self::Equals => order.is_eq(),
            Self::LessThan => order.is_lt(),
            Self::LessThanEquals => order.is_le(),
            Self::GreaterThan => order.is_gt(),
            Self::GreaterThanEquals => order.is_ge(),
        })
    }
}

impl Nature {
    fn is_of(self, value: &Value) -> bool {
        match self {
            Self::Null => value.is_null(),
            Self::Number => value.is_number(),
            Self::Text => value.is_string(),
            Self::Truth => value.is_boolean(),
            Self::Timestamp => value.as_str().and_then(order::timestamp).is_some(),
        }
    }
}

impl Pattern {
    /// `*` stands for any number of letters; `\*` and `\\` are the letters themselves.
    fn parse(text: &str) -> Self {
        let mut parts = vec![String::new()];
        let mut letters = text.chars().peekable();
        while let Some(letter) = letters.next() {
            match letter {
                '*' => parts.push(String::new()),
                letter => {
                    let letter = if letter == '\\' { letters.next_if(|next| matches!(next, '*' | '\\')).unwrap_or(letter) } else { letter };
                    parts.last_mut().expect("there is one from the start").push(letter);
                }
            }
        }
        Self(parts)
    }

    fn matches(&self, text: &str) -> bool {
        let [first, between @ .., last] = self.0.as_slice() else {
            return self.0.first().is_some_and(|only| only == text);
        };
        let Some(mut rest) = text.strip_prefix(first.as_str()) else {
            return false;
        };
        // The first place where a part fits is as good as any later one.
        for part in between {
            let Some(at) = rest.find(part.as_str()) else {
                return false;
            };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::testing;
    use crate::value::Json;

    fn decides(rule: &Value, input: Value) -> Result<bool, String> {
        let input = Json::from(input);
        let comparison = Comparison::compile(rule)?;
        testing::scope(&input, |scope| comparison.matches(scope)).map_err(|fault| fault.message)
    }

    fn test(operator: &str, with: &Value, value: &Value) -> bool {
        decides(&json!({"Variable": "$.value", operator: with, "Next": "There"}), json!({"value": value})).unwrap()
    }

    #[test]
    fn values_of_the_operators_type_are_compared() {
        for (operator, with, less, same, more) in [
            ("Numeric", json!(1), json!(0.5), json!(1.0), json!(2)),
            ("String", json!("b"), json!("a"), json!("b"), json!("ba")),
            (
                "Timestamp",
                json!("2020-01-01T00:00:00Z"),
                json!("2020-01-01T00:30:00+01:00"),
                json!("2020-01-01T00:00:00.0Z"),
                json!("2020-01-01T00:00:01Z"),
            ),
        ] {
            for (relation, expected) in [
                ("Equals", [false, true, false]),
                ("LessThan", [true, false, false]),
                ("LessThanEquals", [true, true, false]),
                ("GreaterThan", [false, false, true]),
                ("GreaterThanEquals", [false, true, true]),
            ] {
                let operator = format!("{operator}{relation}");
                let found = [&less, &same, &more].map(|value| test(&operator, &with, value));
                assert_eq!(found, expected, "{operator}");
                let rule = json!({"Variable": "$.value", format!("{operator}Path"): "$.with"});
                let found = [&less, &same, &more].map(|value| decides(&rule, json!({"value": value, "with": with})).unwrap());
                assert_eq!(found, expected, "{operator}Path");
            }
        }
        assert!(test("BooleanEquals", &json!(false), &json!(false)));
        assert!(!test("BooleanEquals", &json!(false), &json!(true)));
    }

    #[test]
    fn another_type_is_no_match() {
        assert!(!test("NumericEquals", &json!(1), &json!("1")));
        assert!(!test("StringEquals", &json!("1"), &json!(1)));
        assert!(!test("BooleanEquals", &json!(true), &json!("true")));
        assert!(!test("TimestampLessThan", &json!("2020-01-01T00:00:00Z"), &json!("2019-01-01")));
        assert!(!test("StringMatches", &json!("1*"), &json!(1)));
    }

    #[test]
    fn types_are_told() {
        let values = [json!(null), json!(1.5), json!("x"), json!(false), json!("2020-01-01T00:00:00Z"), json!([]), json!({})];
        for (operator, expected) in [
            ("IsNull", [true, false, false, false, false, false, false]),
            ("IsNumeric", [false, true, false, false, false, false, false]),
            ("IsString", [false, false, true, false, true, false, false]),
            ("IsBoolean", [false, false, false, true, false, false, false]),
            ("IsTimestamp", [false, false, false, false, true, false, false]),
            ("IsPresent", [true; 7]),
        ] {
            assert_eq!(values.each_ref().map(|value| test(operator, &json!(true), value)), expected, "{operator}");
            assert_eq!(values.each_ref().map(|value| !test(operator, &json!(false), value)), expected, "{operator}: false");
        }
    }

    #[test]
    fn what_is_missing_fails_unless_presence_is_asked() {
        let missing = "Invalid path '$.no': The choice state's condition path references an invalid value.";
        for rule in [
            json!({"Variable": "$.no", "IsNull": true}),
            json!({"Variable": "$.no", "StringEquals": "x"}),
            json!({"Variable": "$.there", "NumericEqualsPath": "$.no"}),
            json!({"Not": {"Variable": "$.no", "IsString": true}}),
        ] {
            assert_eq!(decides(&rule, json!({"there": 1})), Err(missing.to_owned()));
        }
        assert_eq!(decides(&json!({"Variable": "$.no", "IsPresent": true}), json!({})), Ok(false));
        assert_eq!(decides(&json!({"Variable": "$.no.more[1]", "IsPresent": false}), json!({})), Ok(true));
        assert_eq!(decides(&json!({"Variable": "$unknown", "IsPresent": true}), json!({})), Ok(false));
        assert_eq!(decides(&json!({"Variable": "$.no", "IsPresent": true}), json!(null)), Ok(false));
    }

    #[test]
    fn rules_nest_and_stop_as_soon_as_they_are_decided() {
        let is = |number: i32| json!({"Variable": "$.n", "NumericEquals": number});
        let failing = json!({"Variable": "$.no", "IsNull": true});
        let decide = |rule: Value| decides(&rule, json!({"n": 1})).unwrap();
        assert!(decide(json!({"And": [is(1), {"Not": is(2)}], "Next": "There"})));
        assert!(!decide(json!({"And": [is(2), failing]})));
        assert!(decide(json!({"Or": [is(2), {"And": [is(1)]}, failing]})));
        assert!(!decide(json!({"Or": [is(2), is(3)]})));
    }

    #[test]
    fn context_and_variables_can_be_compared() {
        assert_eq!(decides(&json!({"Variable": "$$.Execution.Input.from", "StringEquals": "execution"}), json!({})), Ok(true));
        assert_eq!(decides(&json!({"Variable": "$.n", "NumericEqualsPath": "$answer.number"}), json!({"n": 42})), Ok(true));
    }

    #[test]
    fn asterisks_stand_for_any_letters() {
        let matches = |pattern: &str, text: &str| test("StringMatches", &json!(pattern), &json!(text));
        assert!(matches("log-*.txt", "log-1.txt"));
        assert!(matches("log-*.txt", "log-.txt"));
        assert!(matches("*", ""));
        assert!(matches("a*b*b", "abb"));
        assert!(!matches("a*b*b", "ab"));
        assert!(!matches("ab*ba", "aba"));
        assert!(!matches("log-*.txt", "log-1.txt2"));
        assert!(matches(r"file\*.txt", "file*.txt"));
        assert!(!matches(r"file\*.txt", "file1.txt"));
        assert!(matches(r"a\\*", r"a\b"));
        assert!(matches("näh*", "nähe"));
        assert!(matches("", ""));
        assert!(!matches("", "x"));
    }

    #[test]
    fn rules_that_say_nothing_are_refused() {
        for rule in [
            json!([]),
            json!({}),
            json!({"Variable": "$.a", "Next": "There"}),
            json!({"StringEquals": "x"}),
            json!({"Variable": "a", "StringEquals": "x"}),
            json!({"Variable": "$.a", "StringEquals": 1}),
            json!({"Variable": "$.a", "NumericEquals": "1"}),
            json!({"Variable": "$.a", "TimestampEquals": "today"}),
            json!({"Variable": "$.a", "BooleanLessThan": true}),
            json!({"Variable": "$.a", "IsPresent": "true"}),
            json!({"Variable": "$.a", "IsBig": true}),
            json!({"Variable": "$.a", "StringEqualsPath": "b"}),
            json!({"Variable": "$.a", "StringLike": "b"}),
            json!({"Variable": "$.a", "StringEquals": "x", "NumericEquals": 1}),
            json!({"And": []}),
            json!({"Or": {}}),
            json!({"Not": []}),
        ] {
            assert!(Comparison::compile(&rule).is_err(), "{rule}");
        }
    }

    proptest! {
        #[test]
        fn a_pattern_matches_what_its_asterisks_are_replaced_by(parts in proptest::collection::vec("[ab]{0,3}", 1..4), filling in "[ab]{0,3}") {
            prop_assert!(Pattern::parse(&parts.join("*")).matches(&parts.join(&filling)));
        }

        #[test]
        fn any_pattern_can_be_asked(pattern in r"[ab*\\é]{0,8}", text in r"[ab*\\é]{0,8}") {
            let _ = Pattern::parse(&pattern).matches(&text);
        }
    }
}
