//! Intrinsic functions (`States.Format('{}', $.name)`), as the Amazon States Language and AWS's developer guide define them
//! («Intrinsic functions for JSONPath states in Step Functions»).
//!
//! The guide names the error `States.IntrinsicFailure`. What people saw on AWS is `States.Runtime`, which no `States.ALL`
//! catches: a rehearsal that caught it would promise too much.

mod function;
mod hash_order;
mod parse;
mod template;

use crate::context::{Fault, Scope};
use crate::jsonpath::{Miss, Path};
use crate::value::Json;
use function::Function;
use template::Pieces;

/// A call that was read.
#[derive(Debug, Clone)]
pub(crate) struct Intrinsic {
    text: String,
    call: Call,
}

#[derive(Debug, Clone)]
struct Call {
    function: Function,
    arguments: Vec<Argument>,
}

#[derive(Debug, Clone)]
enum Argument {
    Literal(Json),
    /// The template of a `States.Format` that stands in the definition; whether it is one turns out when it is used.
    Template(Result<Pieces, String>),
    Path(Path),
    Call(Call),
}

/// Why a function gave no value; told with the text of the outermost one.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Problem {
    /// An argument's path found nothing.
    Missing(String),
    /// The library's own words, or ours for arguments that the function doesn't take.
    Told(String),
    /// The input is `null`.
    NoInput,
}

impl Intrinsic {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        Ok(Self { text: text.to_owned(), call: parse::call(text)? })
    }

    /// The paths among its arguments, however deep.
    pub(crate) fn paths(&self) -> Vec<&Path> {
        let arguments = self.call.all().into_iter().flat_map(|call| &call.arguments);
        arguments.filter_map(|argument| if let Argument::Path(path) = argument { Some(path) } else { None }).collect()
    }

    /// What is wrong with the numbers of arguments in it: AWS finds that out only when it calls the function.
    pub(crate) fn miscounts(&self) -> Vec<String> {
        self.call.all().into_iter().filter_map(|call| call.function.miscount(call.arguments.len())).collect()
    }

    pub(crate) fn evaluate(&self, scope: &Scope<'_>) -> Result<Json, Fault> {
        self.call.evaluate(scope).map_err(|problem| {
            let problem = match problem {
                Problem::Told(problem) => problem,
                Problem::Missing(path) => {
                    format!("The JsonPath argument for the field '{path}' could not be found in the input '{}'", scope.input.text())
                }
                Problem::NoInput => return Fault::runtime(Miss::NO_INPUT),
            };
            Fault::runtime(format!("The function '{}' had the following error: {problem}", self.text))
        })
    }
}

impl Call {
    /// This one and those among its arguments.
    fn all(&self) -> Vec<&Self> {
        let mut calls = vec![self];
        for argument in &self.arguments {
            if let Argument::Call(call) = argument {
                calls.extend(call.all());
            }
        }
        calls
    }

    fn evaluate(&self, scope: &Scope<'_>) -> Result<Json, Problem> {
        if let (Function::Format, [template, arguments @ ..]) = (self.function, self.arguments.as_slice()) {
            let arguments = arguments.iter().map(|argument| argument.evaluate(scope)).collect::<Result<Vec<_>, _>>()?;
            return match template {
                Argument::Template(pieces) => pieces.as_ref().map_err(|problem| Problem::Told(problem.clone()))?.fill(&arguments),
                other => Pieces::of(&other.evaluate(scope)?)?.fill(&arguments),
            };
        }
        let arguments = self.arguments.iter().map(|argument| argument.evaluate(scope)).collect::<Result<Vec<_>, _>>()?;
        self.function.apply(&arguments, scope.random)
    }
}

impl Argument {
    fn evaluate(&self, scope: &Scope<'_>) -> Result<Json, Problem> {
        match self {
            Self::Literal(json) => Ok(json.clone()),
            Self::Template(_) => unreachable!("only the first argument of States.Format is read as a template"),
            Self::Call(call) => call.evaluate(scope),
            Self::Path(path) => path.value(scope).map_err(|miss| match miss {
                Miss::Absent(_) | Miss::PastTheEnd(_) => Problem::Missing(path.text().to_owned()),
                Miss::Inapplicable(reason) => Problem::Told(reason),
                Miss::NoInput => Problem::NoInput,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing;

    fn evaluate(call: &str, input: Value) -> Result<Value, String> {
        let input = Json::from(input);
        let call = Intrinsic::parse(call)?;
        testing::scope(&input, |scope| call.evaluate(scope)).map(|json| json.value().clone()).map_err(|fault| fault.message)
    }

    fn gives(call: &str, expected: Value) {
        let input = json!({
            "list": [1, "a", null, [2], {"k": 1}, 1], "object": {"a": 1, "b": {"c": 1}}, "other": {"b": {"d": 2}, "e": 3},
            "name": "Ada", "null": null, "fraction": 1.5, "template": "{} \\{x\\}"
        });
        assert_eq!(evaluate(call, input), Ok(expected), "{call}");
    }

    fn fails(call: &str, problem: &str) {
        let expected = format!("The function '{call}' had the following error: {problem}");
        assert_eq!(evaluate(call, json!({"text": "x", "list": [1], "n": 1, "null": null})), Err(expected));
    }

    #[test]
    fn format_fills_placeholders_in_order() {
        gives("States.Format('{}, {} and {}', $.name, 1.5, true)", json!("Ada, 1.5 and true"));
        gives("States.Format('{}', $.null)", json!("null"));
        gives(r"States.Format('\'{}\' \{\} \\', $.name)", json!(r"'Ada' {} \"));
        gives("States.Format($.template, $.name)", json!("Ada {x}"));
        gives("States.Format('nothing')", json!("nothing"));
        gives("States.Format('{}', States.Format('<{}>', $answer.number))", json!("<42>"));
        let template = "States.Format('{', $.text)";
        fails(template, "Invalid template in States.Format: matching '}' not found for '{'.");
        fails("States.Format('{{}}', $.text)", "Invalid template in States.Format: matching '}' not found for '{'.");
        fails("States.Format('}')", "Invalid template in States.Format: matching '{' not found for '}'.");
        let count = "Invalid arguments in States.Format: number of arguments do not match the occurrences of {}.";
        fails("States.Format('{} {}', $.text)", count);
        fails("States.Format('{}', $.text, $.text)", count);
        fails("States.Format($.n, $.text)", "Invalid arguments in States.Format");
        fails("States.Format('{}', $.list)", "Invalid arguments in States.Format");
    }

    #[test]
    fn json_and_text_become_each_other() {
        gives(r#"States.StringToJson('{"a": [1, "x"]}')"#, json!({"a": [1, "x"]}));
        gives("States.StringToJson('')", Value::Null);
        gives("States.StringToJson(' ')", Value::Null);
        gives("States.StringToJson('-0')", json!(0));
        gives("States.JsonToString($.object)", json!(r#"{"a":1,"b":{"c":1}}"#));
        gives("States.JsonToString($.name)", json!("\"Ada\""));
        fails("States.StringToJson('{bad}')", "Invalid arguments in States.StringToJson");
        fails("States.StringToJson($.n)", "Invalid arguments in States.StringToJson");
    }

    #[test]
    fn arrays_are_made_and_asked() {
        gives("States.Array()", json!([]));
        gives("States.Array($.name, 'x', 1, null, true)", json!(["Ada", "x", 1, null, true]));
        gives("States.ArrayLength($.list)", json!(6));
        gives("States.ArrayContains($.list, $.list[4])", json!(true));
        gives("States.ArrayContains($.list, '1')", json!(false));
        gives("States.ArrayGetItem($.list, 1)", json!("a"));
        gives("States.ArrayGetItem($.list, 1.2)", json!("a"));
        gives("States.ArrayGetItem(States.Array(), 7)", Value::Null);
        gives("States.ArrayPartition(States.Array(1,2,3), 2)", json!([[1, 2], [3]]));
        gives("States.ArrayPartition(States.Array(1,2,3), 2.6)", json!([[1, 2], [3]]));
        gives("States.ArrayRange(1, 9, 2)", json!([1, 3, 5, 7, 9]));
        gives("States.ArrayRange(5.4, -0.6, -2.4)", json!([5, 3, 1]));
        gives("States.ArrayRange(5, 1, 1)", json!([]));
        gives("States.ArrayRange(3, 3, -1)", json!([3]));
        for (call, function) in [
            ("States.ArrayLength($.text)", "ArrayLength"),
            ("States.ArrayContains($.n, 1)", "ArrayContains"),
            ("States.ArrayGetItem($.list, 1)", "ArrayGetItem"),
            ("States.ArrayGetItem($.list, -1)", "ArrayGetItem"),
            ("States.ArrayPartition($.list, 0.6)", "ArrayPartition"),
            ("States.ArrayRange(1, 10, 0.4)", "ArrayRange"),
            ("States.ArrayRange(1, 1001, 1)", "ArrayRange"),
            ("States.ArrayRange('a', 2, 1)", "ArrayRange"),
            ("States.ArrayUnique('x')", "ArrayUnique"),
        ] {
            fails(call, &format!("Invalid arguments in States.{function}"));
        }
        let thousand = evaluate("States.ArrayRange(1, 1000, 1)", json!({})).unwrap();
        assert_eq!(thousand.as_array().map(Vec::len), Some(1000));
    }

    #[test]
    fn texts_are_encoded_hashed_and_split() {
        gives("States.Base64Encode('Data to encode')", json!("RGF0YSB0byBlbmNvZGU="));
        gives("States.Base64Decode('RGF0YSB0byBlbmNvZGU=')", json!("Data to encode"));
        gives("States.Base64Decode(' YWJj ZA== ')", json!("abcd"));
        gives("States.Base64Decode('YWI')", json!("ab"));
        gives("States.Hash('hello', 'MD5')", json!("5d41402abc4b2a76b9719d911017c592"));
        gives("States.Hash('hello', 'SHA-1')", json!("aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"));
        gives("States.Hash('', 'SHA-256')", json!("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
        gives(
            "States.Hash('hello', 'SHA-384')",
            json!("59e1748777448c69de6b800d7a33bbfb9ff1b463e44354c3553bcdb9c666fa90125a3c79f90397bdf5f6a13de828684f"),
        );
        let sha_512 = evaluate("States.Hash(123, 'SHA-512')", json!({})).unwrap();
        assert_eq!(Ok(sha_512), evaluate("States.Hash('123', 'SHA-512')", json!({})));
        gives("States.StringSplit('This.is+a,test', '.+,')", json!(["This", "is", "a", "test"]));
        gives("States.StringSplit(',,a,,b,', ',')", json!(["a", "b"]));
        gives("States.StringSplit('', ',')", json!([]));
        gives("States.StringSplit('ab', '')", json!(["ab"]));
        for (call, function) in [
            ("States.Base64Encode($.n)", "Base64Encode"),
            ("States.Base64Decode($.null)", "Base64Decode"),
            ("States.Hash('x', 'sha-256')", "Hash"),
            ("States.StringSplit($.n, ',')", "StringSplit"),
        ] {
            fails(call, &format!("Invalid arguments in States.{function}"));
        }
        let too_long = json!({"text": "a".repeat(10_001)});
        for call in ["States.Base64Encode($.text)", "States.Base64Decode($.text)", "States.Hash($.text, 'MD5')"] {
            assert!(evaluate(call, too_long.clone()).is_err(), "{call}");
        }
    }

    #[test]
    fn objects_are_merged_at_their_top_only() {
        gives("States.JsonMerge($.object, $.other, false)", json!({"a": 1, "b": {"d": 2}, "e": 3}));
        fails("States.JsonMerge($.list, $.list, false)", "Invalid arguments in States.JsonMerge");
        assert!(evaluate("States.JsonMerge($, $, true)", json!({})).is_err());
    }

    #[test]
    fn numbers_are_rounded_as_java_rounds_them_and_added() {
        gives("States.MathAdd(111, -1)", json!(110));
        gives("States.MathAdd(-1.49, -1.5)", json!(-2));
        gives("States.MathAdd($.fraction, 0.49)", json!(2));
        gives("States.MathAdd(2147483646, 1)", json!(2_147_483_647));
        for call in
            ["States.MathAdd(2147483647, 1)", "States.MathAdd(3000000000, 1)", "States.MathAdd('1', 1)", "States.MathAdd($.null, 1)"]
        {
            fails(call, "Invalid arguments in States.MathAdd");
        }
    }

    #[test]
    fn chance_comes_from_the_scope_or_from_a_seed() {
        let seeded = evaluate("States.MathRandom(1, 1000, 42)", json!({})).unwrap();
        assert_eq!(evaluate("States.MathRandom(1, 1000, 42)", json!({"another": "input"})), Ok(seeded));
        for _ in 0..100 {
            let drawn = evaluate("States.MathRandom(-2, 2)", json!({})).unwrap().as_i64().unwrap();
            assert!((-2..2).contains(&drawn), "{drawn}");
        }
        fails("States.MathRandom(1, 1)", "Invalid arguments in States.MathRandom");
        fails("States.MathRandom(1, 10, 'seed')", "Invalid arguments in States.MathRandom");
        let uuid = evaluate("States.UUID()", json!({})).unwrap();
        assert_eq!(uuid.as_str().map(str::len), Some(36));
    }

    #[test]
    fn arguments_that_are_too_few_or_too_many_are_found_out_when_the_function_is_called() {
        let call = Intrinsic::parse("States.Array(States.Hash('a'), States.MathRandom(1), States.Format(), States.UUID())").unwrap();
        let expected = [
            "States.Hash takes 2 arguments, not 1",
            "States.MathRandom takes 2 to 3 arguments, not 1",
            "States.Format takes 1 argument or more, not 0",
        ];
        assert_eq!(call.miscounts(), expected);
        fails("States.UUID(1)", "Invalid arguments in States.UUID");
        fails("States.Format()", "Invalid arguments in States.Format");
        fails("States.Hash('x')", "Invalid arguments in States.Hash");
        fails("States.MathRandom(1, 2, 3, 4)", "Invalid arguments in States.MathRandom");
    }

    #[test]
    fn an_argument_that_is_missing_is_named_with_the_whole_call() {
        let missing = |call: &str, path: &str| {
            let problem = format!(
                "The JsonPath argument for the field '{path}' could not be found in the input '{{\"text\":\"x\",\"list\":[1],\"n\":1,\"null\":null}}'"
            );
            fails(call, &problem);
        };
        missing("States.Format('{}', $.no)", "$.no");
        missing("States.Format('{}',States.Array( 1, $.list[5] ))", "$.list[5]");
        missing("States.ArrayLength($$.No.Such)", "$$.No.Such");
        missing("States.Array($unknown)", "$unknown");
        fails("States.Array($.n[0])", "Filter: [0] can only be applied to arrays. Current context is: 1");
        gives("States.ArrayLength($.no[*].such)", json!(0));
    }

    #[test]
    fn every_path_in_a_call_is_told() {
        let call = Intrinsic::parse("States.Format('{}', States.Array($.a, 1, States.JsonToString($$.b)), $c)").unwrap();
        let paths: Vec<_> = call.paths().into_iter().map(Path::text).collect();
        assert_eq!(paths, ["$c", "$.a", "$$.b"]);
    }

    #[test]
    fn context_and_variables_are_arguments() {
        gives("States.Format('{} {}', $$.Execution.Input.from, $answer.number)", json!("execution 42"));
    }
}
