use std::cell::Cell;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Expected, Query, expression, functions};
use crate::context::{self, Fault, Scope, Variables};
use crate::random::Random;
use crate::value::{Instant, Json};

#[test]
fn a_string_is_an_expression_only_from_end_to_end() {
    assert_eq!(expression("{% $a %}"), Some("$a"));
    assert_eq!(expression("{%$a%}"), Some("$a"));
    for constant in [" {% $a %}", "{% $a %} ", "{% $a", "$a", "{%}", ""] {
        assert_eq!(expression(constant), None, "{constant}");
    }
}

#[test]
fn a_template_keeps_what_is_no_expression() {
    let template =
        json!({"a": "{% $states.input.n + 1 %}", "b": [1, "{% $missing ? 1 : 'x' %}", {"c": null}], "d": " {% 1 %}", "e.$": "$.x"});
    let expected = json!({"a": 6, "b": [1, "x", {"c": null}], "d": " {% 1 %}", "e.$": "$.x"});
    assert_eq!(evaluated(&template), Ok(expected));
}

#[test]
fn constants_are_shared() {
    let query = Query::compile(&json!({"a": [1, {"b": 2}]}), "Output").unwrap();
    let (one, other) = (with_scope(|scope| query.evaluate(scope).unwrap()), with_scope(|scope| query.evaluate(scope).unwrap()));
    assert!(std::ptr::eq(one.value(), other.value()));
}

#[test]
fn nothing_is_a_fault_and_null_is_not() {
    assert_eq!(
        evaluated(&json!({"result": "{% $states.input.missing %}"})).unwrap_err(),
        fault(
            "Output/result",
            "The JSONata expression '$states.input.missing' specified for the field 'Output/result' returned nothing (undefined)."
        )
    );
    assert_eq!(evaluated(&json!({"list": [1, {"x": "{% $nobody.knows %}"}]})).unwrap_err().location.as_deref(), Some("Output/list[1]/x"));
    assert_eq!(evaluated(&json!("{% $states.input.nothing %}")), Ok(json!(null)));
    assert_eq!(evaluated(&json!("{% {'a': $states.input.missing, 'b': null} %}")), Ok(json!({"b": null})));
}

#[test]
fn a_function_is_no_result() {
    for source in ["$f := function($x){$x}", "$sum", "/a/", "{'f': function() { 1 }}", "[$uppercase]"] {
        assert_eq!(
            evaluated(&json!(format!("{{% {source} %}}"))).unwrap_err().message,
            format!("The JSONata expression '{source}' specified for the field 'Output' returned an unsupported result type.")
        );
    }
}

/// The messages of jsonata-js 2.0.6, as `jsonata(expression).evaluate()` throws them.
#[test]
fn what_an_expression_throws_is_told_as_jsonata_does() {
    for (source, told) in [
        ("$unheard(1)", ". T1006: Attempted to invoke a non-function"),
        ("$eval('1')", ". T1006: Attempted to invoke a non-function"),
        ("$sum(['a'])", r#". T0412: Argument 1 of function "sum" must be an array of "numbers""#),
        ("1 + $abs('a')", r#". T0410: Argument 1 of function "abs" does not match function signature"#),
        ("$string($uppercase($states.input.n))", r#". T0410: Argument 1 of function "uppercase" does not match function signature"#),
        ("1 + 'a'", r#". T2002: The right side of the "+" operator must evaluate to a number"#),
        ("$states.input.text - 1", r#". T2001: The left side of the "-" operator must evaluate to a number"#),
        ("1 < 'a'", r#". T2009: The values 1 and "a" either side of operator "<" must be of the same data type"#),
        ("$states.input.object > 1", r#". T2010: The expressions either side of operator ">" must evaluate to numeric or string values"#),
        ("$number($states.input.text)", r#". D3030: Unable to cast value to a number: "abc""#),
        ("-$states.input.text", r#". D1002: Cannot negate a non-numeric value: "abc""#),
        ("1/0 + 1", ". D1001: Number out of range: null"),
        ("$sqrt(-1)", ". D3060: The sqrt function cannot be applied to a negative number: -1"),
        ("$toMillis('x')", r#". D3110: The argument of the toMillis function must be an ISO 8601 formatted timestamp. Given "x""#),
        ("$error('so it is')", ". D3137: so it is"),
        ("$hash('a', 'CRC')", r#". T0410: Argument 2 of function "hash" does not match function signature"#),
        ("$sum([1..900000])", ": Expression evaluation memory limit exceeded: Check for excessive memory usage"),
        (
            "($f := function($n) { 1 + $f($n) }; $f(1))",
            ": Stack overflow error: Check for non-terminating recursive function. Consider rewriting as tail-recursive",
        ),
        ("($f := function($n) { $f($n) }; $f(1))", ": Expression evaluation timeout: Check for infinite loop"),
    ] {
        assert_eq!(
            evaluated(&json!(format!("{{% {source} %}}"))).unwrap_err(),
            fault(
                "Output",
                &format!("The JSONata expression '{source}' specified for the field 'Output' threw an error during evaluation{told}")
            )
        );
    }
}

/// Step Functions goes no deeper than 100, whatever the values are.
#[test]
fn an_expression_that_is_too_deep_fails() {
    let too_deep = |source: &str| {
        evaluated(&json!(format!("{{% {source} %}}"))).is_err_and(|fault| fault.message.contains(": Stack overflow error: "))
    };
    for (first, more) in [("1", "+1"), ("$states.input.n", "+1"), ("'a'", " & 'a'"), ("$count", " & 'a'")] {
        assert!(too_deep(&format!("{first}{}", more.repeat(199))), "{first}{more}…");
        assert!(!too_deep(&format!("{first}{}", more.repeat(60))), "{first}{more}…");
    }
}

#[test]
fn a_number_that_json_cannot_tell_is_null() {
    assert_eq!(evaluated(&json!("{% 1/0 %}")), Ok(json!(null)));
    assert_eq!(evaluated(&json!("{% {'a': $states.input.n / 0} %}")), Ok(json!({"a": null})));
}

#[test]
fn a_field_of_one_kind_refuses_another() {
    let typed = |source: &str, expected| {
        with_scope(|scope| Query::compile(&json!(format!("{{% {source} %}}")), "Items").unwrap().typed(scope, expected))
            .map(|json| json.value().clone())
    };
    assert_eq!(typed("[1, 2]", Expected::Array), Ok(json!([1, 2])));
    assert_eq!(typed("1.0", Expected::Integer), Ok(json!(1)));
    for (source, expected, told) in [
        ("1", Expected::Array, "Expected 'array', but was 'number' for value: 1"),
        ("'a\"'", Expected::Boolean, r#"Expected 'boolean', but was 'string' for value: "a\"""#),
        ("{'foo': ['bar']}", Expected::String, r#"Expected 'string', but was 'object' for value: {"foo":["bar"]}"#),
        ("null", Expected::Array, "Expected 'array', but was 'null' for value: null"),
        ("[1]", Expected::Number, "Expected 'number', but was 'array' for value: [1]"),
        ("true", Expected::Integer, "Expected 'integer', but was 'boolean' for value: true"),
        ("1.5", Expected::Integer, "Expected 'integer', but was 'number' for value: 1.5"),
    ] {
        let message =
            format!("The JSONata expression '{source}' specified for the field 'Items' returned an unexpected result type. {told}");
        assert_eq!(typed(source, expected), Err(fault("Items", &message)));
    }
}

#[test]
fn an_assign_reads_the_scope_as_it_was() {
    let assign = Query::compile(&json!({"count": "{% $count + 1 %}", "before": "{% $count %}", "fixed": [1]}), "Assign").unwrap();
    let assigned = with_scope(|scope| assign.assign(scope).unwrap());
    let assigned: Vec<_> = assigned.iter().map(|(name, value)| (&**name, value.text())).collect();
    assert_eq!(assigned, [("count", "8"), ("before", "7"), ("fixed", "[1]")]);
    let fixed = Query::compile(&json!({"fixed": 1}), "Assign").unwrap();
    assert_eq!(with_scope(|scope| fixed.assign(scope).unwrap()).len(), 1);
}

#[test]
fn functions_that_step_functions_adds() {
    for (source, expected) in [
        ("$partition([1,2,3], 2)", json!([[1, 2], [3]])),
        ("$partition([0], 1)", json!([[0]])),
        ("$range(0, 10, 3)", json!([0, 3, 6, 9])),
        ("$range(3, 0, -2)", json!([3, 1])),
        // A sequence of one is that one.
        ("$range(1, 9, 9)", json!(1)),
        ("$hash($states.input.text, 'SHA-1')", json!("a9993e364706816aba3e25717850c26c9cd0d89d")),
        ("$random(42)", json!(0.727_563_680_032_868_1)),
        (r#"$parse('{"a": [1, {"b": null}]}').a[1]"#, json!({"b": null})),
        ("$parse('-0')", json!(0)),
        ("$map(['1', '[2]'], $parse)", json!([1, [2]])),
        ("$millis()", json!(1_700_000_000_123_i64)),
        ("$now()", json!("2023-11-14T22:13:20.123Z")),
        ("$now('[Y]-[M01]', '+0200')", json!("2023-11")),
        ("$now() ~> $substring(0, 4)", json!("2023")),
    ] {
        assert_eq!(evaluated(&json!(format!("{{% {source} %}}"))), Ok(expected), "{source}");
    }
    assert_eq!(evaluated(&json!("{% $range(1, 0, 1) %}")).unwrap_err().error, Fault::QUERY);
    assert!(evaluated(&json!("{% $parse('{') %}")).is_err());
}

/// Whoever repeats an execution with its seed draws the same.
#[test]
fn chance_comes_from_the_scope() {
    let drawn = |seed| {
        with_scope(|scope| {
            let random = Random::new(seed, &[]);
            let scope = Scope { random: &random, ..*scope };
            let query =
                Query::compile(&json!(["{% $uuid() %}", "{% $random() %}", "{% $shuffle([1..20]) %}", "{% $uuid() & '' %}"]), "Output");
            query.unwrap().evaluate(&scope).unwrap().value().clone()
        })
    };
    assert_eq!(drawn(1), drawn(1));
    for index in 0..4 {
        assert_ne!(drawn(1)[index], drawn(2)[index]);
    }
    let drawn = drawn(3);
    assert_ne!(drawn[0], drawn[3]);
    assert_eq!(drawn[0].as_str().map(str::len), Some(36));
    assert!((0.0..1.0).contains(&drawn[1].as_f64().unwrap()));
}

#[test]
fn a_definition_with_such_an_expression_is_refused() {
    for (source, told) in [
        ("a[1,2)", r#"INVALID_JSONATA_EXPRESSION: Expected "]", got "," at Output/x"#),
        ("\"unterminated", "INVALID_JSONATA_EXPRESSION: String literal must be terminated by a matching quote at Output/x"),
        ("1 +", "INVALID_JSONATA_EXPRESSION: Unexpected end of expression at Output/x"),
        ("{\"a\":}", r#"INVALID_JSONATA_EXPRESSION: The symbol "}" cannot be used as a unary operator at Output/x"#),
        ("$x :=", "INVALID_JSONATA_EXPRESSION: Unexpected end of expression at Output/x"),
        ("$match(\"a\", /abc", "INVALID_JSONATA_EXPRESSION: No terminating / in regular expression at Output/x"),
        ("$a ?? 1", r#"INVALID_JSONATA_EXPRESSION: The symbol "?" cannot be used as a unary operator at Output/x"#),
        ("phone", "UNSUPPORTED_JSONATA_EXPRESSION: Reference to 'phone' at the top level is not supported. at Output/x"),
        ("$$.x", "UNSUPPORTED_JSONATA_EXPRESSION: Reference to '$$' at the top level is not supported. at Output/x"),
    ] {
        let refusal = Query::compile(&json!({"x": format!("{{% {source} %}}")}), "Output").err().unwrap();
        assert_eq!(refusal.to_string(), told);
    }
}

#[test]
fn the_context_is_made_only_for_who_looks_at_more_than_a_field() {
    let looked = Cell::new(0);
    let make = || {
        looked.set(looked.get() + 1);
        json!({"Execution": {"Name": "night", "Input": {"a": 1}}, "State": {"Name": "S"}})
    };
    let field = |section: &str, name: &str| (section == "Execution" && name == "Name").then(|| json!("night").into());
    let evaluate = |source: &str| {
        let context = context::Context::with_fields(&make, &field);
        with_scope(|scope| {
            let scope = Scope { context: &context, ..*scope };
            Query::compile(&json!(format!("{{% {source} %}}")), "Output").unwrap().evaluate(&scope).unwrap().text().to_owned()
        })
    };
    assert_eq!(evaluate("$states.context.Execution.Name"), "\"night\"");
    assert_eq!(evaluate("$uppercase($states.context.Execution.Name)"), "\"NIGHT\"");
    assert_eq!(looked.get(), 0);
    assert_eq!(evaluate("$states.context.Execution.Input.a + 1"), "2");
    assert_eq!(evaluate("$uppercase($states.context.State.Name)"), "\"S\"");
    assert_eq!(evaluate("$count($keys($states.context))"), "2");
    assert_eq!(looked.get(), 3);
}

#[test]
fn states_hold_what_the_scope_has() {
    assert_eq!(
        evaluated(&json!("{% $keys($states) %}")),
        Ok(json!(["input", "context", "result"])),
        "there is no error output in this scope"
    );
}

#[test]
fn the_functions_of_both_are_known() {
    let is_known = |name: &str| functions().any(|known| known == name);
    assert!(is_known("sum") && is_known("partition") && is_known("toMillis"));
    assert!(!is_known("eval") && !is_known("randomSeeded"));
}

/// Each with the same result, or the same end, natively as by the evaluator.
#[test]
fn the_native_shapes_agree_with_the_evaluator() {
    for source in [
        "$count",
        "$states.input",
        "$states.input.object.deep.x & '-' & $count & true & null & $nobody",
        "{'a': $states.result.Id, 'b': [$states.input.n, 1, 'x'], 'c': $states.input.missing}",
        "[[$count], [1, 2]]",
        "[$states.input.list]",
        "$states.input.list[0]",
        "$states.input.list[-1]",
        "$states.input.list[7]",
        "$states.input.text[0]",
        "$states.input.text[1]",
        "$states.input.nested[0]",
        "$states.input.rows[1].x",
        "$states.input.rows.x",
        "$states.input.one",
        "$states.input.one.x",
        "$states.input.n in [1, 5]",
        "$states.input.text in 'abc'",
        "$states.input.missing in [1]",
        "$states.input.missing = $states.input.missing",
        "$states.input.missing != 1",
        "$states.input.nothing = null",
        "$states.input.list = [1, 2, 3]",
        "$states.input.n >= 5 and $states.input.text = 'abc'",
        "$states.input.missing or $states.input.list",
        "$states.input.missing < 1",
        "$not($states.input.missing)",
        "$not($states.input.text)",
        "$exists($states.input.nothing)",
        "$exists($states.input.missing) ? 1 : $exists($count) ? 2 : 3",
        "$states.input.missing ? 1",
        "$string($states.input.n) & $string($states.input.object)",
        "$string($states.input.missing)",
        "$number('0042') + $number($states.input.digits)",
        "$number('1e3')",
        "$count($states.input.list) + $count($states.input.text) + $count($states.input.missing) + $count($states.input.nothing)",
        "$count($states.input.nested)",
        "$substring($states.input.text, 1, 1) & $substring($states.input.text, 2) & $substring($states.input.text, 5)",
        "$substring($states.input.text, -2)",
        "$contains($states.input.text, 'b')",
        "$contains($states.input.missing, 'b')",
        "($a := $states.input.n; $b := $a * 2; $a := 1; [$a, $b])",
        "($a := 1; ($a := 2); $a)",
        "$min([$states.input.n - 1, $max([$floor($states.input.n / 2), 1])])",
        "$floor(($millis() - $toMillis('2023-11-14T22:13:00.000Z')) / 1000)",
        "$toMillis('2023-11-14T22:13:20Z')",
        "$merge([$states.input.object, {'n': $count}])",
        "$merge([$states.input.rows, {'n': $count}])",
        "$parse('{\"a\": [1]}')",
        "-$states.input.n",
        "1 = '1'",
        "$count($states.input.rows[x = 1]) + $count($states.input.rows[x > 1 or $not(x = 9)]) + $count($states.input.rows[x = 3])",
        "$states.input.rows[x = 1]",
        "$states.input.rows[x > 0]",
        "$states.input.rows[x = 2].x",
        "$states.input.rows[x].x",
        "$states.input.rows[$exists(y)]",
        "$states.input.object[deep.x = 'y'].deep",
        "$states.input.list[$ > 1]",
        "$states.input.rows.{'a': x, 'b': y, 'c': $count}",
        "[$states.input.rows.{'a': x}]",
        "[$states.input.object.{'a': deep}]",
        "[$states.input.missing.{'a': deep}]",
        "($two := $states.input.rows[x > 1]; $two.(x & '!'))",
        "$join($states.input.rows.(x & '!'), ', ') & $join($states.input.object.('a'), ', ') & $join($states.input.missing.('a'), ', ')",
        "[$states.input.list, 4, $states.input.nested]",
        "$contains($states.input.text, /^[ab]+c$/) ? 'yes' : 'no'",
        "$contains($states.input.text, /x*/)",
        "$contains($states.input.n, /5/)",
        "$fromMillis(1700000000123, '[Y0001]-[M01]-[D01] at [H01]:[m01]:[s01].')",
        "$fromMillis($states.input.n, '[Y0001]')",
        "$fromMillis($states.input.missing, '[Y0001]')",
        "($day := function($text, $offset) { $fromMillis($toMillis($text & 'T00:00:00Z') + $offset * 86400000, '[Y0001]-[M01]-[D01]') }; \
         $day('2024-03-01', -1) & $day('2023-03-01', -1))",
        "($x := 1; $f := function($y) { $x + $y }; $x := 2; $f(1))",
        "($f := function($y) { $count + $y }; $f(1) + $f($f(2)))",
        "($f := function($y) { $y }; $f())",
        "$join($states.input.missing, $states.input.n)",
        "$substring($states.input.missing, 'x')",
        "$floor($states.input.missing) & $number($states.input.missing)",
        "$states.input.rows[x != 'a'].x & $states.input.object.deep[x = 'y'].x",
        "'y' = $states.input.object.deep.x and $states.input.object.deep.x != 'y'",
        "$string($states.input.rows) & $string({'a': [1.5]})",
        "$sum",
    ] {
        agree(source, &input()).unwrap();
    }
}

/// The expressions of every definition that is deployed.
#[test]
fn every_deployed_expression_compiles() {
    fn each(value: &Value, seen: &mut usize) {
        match value {
            Value::String(text) if expression(text).is_some() => {
                *seen += 1;
                if let Err(refusal) = Query::compile(value, "Output") {
                    panic!("{refusal}: {text}");
                }
            }
            Value::Array(items) => items.iter().for_each(|item| each(item, seen)),
            Value::Object(fields) => fields.values().for_each(|field| each(field, seen)),
            _ => {}
        }
    }
    let mut seen = 0;
    for definition in deployed() {
        each(&definition, &mut seen);
    }
    assert!(seen > 100, "only {seen}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn native_and_evaluator_agree_on_anything(source in any_source(), list in any_value(), text in any_value(), deep in any_value()) {
        let input = json!({"n": 5, "text": text, "list": list, "object": {"deep": deep}});
        agree(&source, &input)?;
    }
}

/// Natively an expression gives what the evaluator gives, or nothing.
fn agree(source: &str, input: &Value) -> Result<(), TestCaseError> {
    let query =
        Query::compile(&json!(format!("{{% {source} %}}")), "Output").map_err(|refusal| TestCaseError::fail(refusal.to_string()))?;
    let super::Template::Expression(expression) = &query.0 else { panic!("it is an expression") };
    let Some(native) = &expression.native else { return Ok(()) };
    let input = Json::from(input.clone());
    with_scope(|scope| {
        let scope = Scope { input: &input, ..*scope };
        if let Ok(value) = native.evaluate(&scope) {
            let evaluated = expression.evaluate(&scope);
            prop_assert!(evaluated.is_ok(), "{} is {:?} natively, but {:?}", source, value, evaluated);
            let evaluated = evaluated.unwrap();
            prop_assert_eq!(value.is_undefined(), evaluated.is_undefined(), "{}", source);
            prop_assert_eq!(Json::from_jsonata(value), Json::from_jsonata(evaluated), "{}", source);
        }
        Ok(())
    })
}

fn any_source() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "$states.input.n",
        "$states.input.text",
        "$states.input.list",
        "$states.input.list[0]",
        "$states.input.object.deep",
        "$states.input.object.deep.x",
        "$states.input.object",
        "$states.result.Id",
        "$states.context.Execution.Name",
        "$count",
        "$nobody",
        "1",
        "0",
        "-2.5",
        "'a'",
        "''",
        "true",
        "null",
        "[]",
        "[1, 'a']",
    ]);
    leaf.prop_map(str::to_owned).prop_recursive(3, 12, 3, |inner| {
        let two = || (inner.clone(), inner.clone());
        let operator = prop::sample::select(vec!["&", "=", "!=", "<", "<=", ">", ">=", "and", "or", "in", "+", "-", "*", "/"]);
        let function = prop::sample::select(vec!["exists", "string", "number", "count", "not", "floor", "min", "max", "merge"]);
        prop_oneof![
            8 => (two(), operator).prop_map(|((lhs, rhs), operator)| format!("({lhs}) {operator} ({rhs})")),
            4 => (inner.clone(), function).prop_map(|(argument, function)| format!("${function}({argument})")),
            2 => (two(), inner.clone()).prop_map(|((condition, yes), no)| format!("({condition}) ? ({yes}) : ({no})")),
            1 => two().prop_map(|(one, other)| format!("[{one}, {other}]")),
            1 => two().prop_map(|(one, other)| format!("{{'a': {one}, 'b': {other}}}")),
            1 => two().prop_map(|(one, other)| format!("($x := {one}; $y := $x; [{other}, $y])")),
            1 => two().prop_map(|(text, start)| format!("$substring({text}, {start})")),
            1 => two().prop_map(|(text, part)| format!("$contains({text}, {part})")),
            1 => two().prop_map(|(value, predicate)| format!("$states.input.list[x = {value} or {predicate}].x")),
            1 => inner.clone().prop_map(|value| format!("$count($states.input.list[x = {value}])")),
            1 => inner.clone().prop_map(|value| format!("$states.input.list.{{'x': x, 'y': {value}}}")),
            1 => two().prop_map(|(all, value)| format!("($all := {all}; $all.(x & {value}))")),
            1 => two().prop_map(|(one, other)| format!("($f := function($v) {{ [$v, {one}] }}; $f({other}))")),
        ]
    })
}

fn any_value() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!(null),
        json!(true),
        json!(0),
        json!(12),
        json!(1.5),
        json!(""),
        json!("abc"),
        json!("ä"),
        json!("7"),
        json!([]),
        json!([1]),
        json!([1, 2]),
        json!([[1], [2]]),
        json!([{"x": 1}, {"x": [2]}]),
        json!({}),
        json!({"x": "y"}),
        json!({"x": [1]}),
    ])
}

/// Run in release: how long each expression of the deployed definitions takes in such a night.
#[test]
#[ignore = "a measurement"]
fn microseconds_of_each_deployed_expression() {
    fn each(value: &Value, sources: &mut Vec<String>) {
        match value {
            Value::String(text) if expression(text).is_some() => sources.push(text.clone()),
            Value::Array(items) => items.iter().for_each(|item| each(item, sources)),
            Value::Object(fields) => fields.values().for_each(|field| each(field, sources)),
            _ => {}
        }
    }
    const ROUNDS: u32 = 200;
    const BATCHES: u32 = 100;
    let mut sources = Vec::new();
    for definition in deployed() {
        each(&definition, &mut sources);
    }
    let mut total = 0.0;
    let mut lines = Vec::new();
    night_scope(|scope| {
        for source in &sources {
            let query = Query::compile(&json!(source), "Output").unwrap();
            let super::Template::Expression(compiled) = &query.0 else { panic!("it is an expression") };
            let native = compiled.native.as_ref().map_or("-", |native| native.evaluate(scope).map_or("unable", |_| "native"));
            // The quickest of many: the others were disturbed.
            let batches = (0..BATCHES).map(|_| {
                let begun = std::time::Instant::now();
                for _ in 0..ROUNDS {
                    std::hint::black_box(query.evaluate(scope).is_ok());
                }
                begun.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS)
            });
            let each = batches.fold(f64::INFINITY, f64::min);
            total += each;
            lines.push((each, native, source.chars().take(90).collect::<String>()));
        }
    });
    lines.sort_by(|one, other| other.0.total_cmp(&one.0));
    for (each, native, source) in &lines {
        println!("{each:8.3} µs {native:7} {source}");
    }
    println!("{} expressions, {total:.1} µs together", sources.len());
}

fn deployed() -> Vec<Value> {
    let numbers =
        ["${ApprovalTimeoutSeconds}", "${ApprovalWatchMinutes}", "${ApprovalExtensionSeconds}", "${QualityPollSeconds}", "${NightsAtOnce}"];
    [
        include_str!("../../../../statemachine/nightly-warehouse.asl.json"),
        include_str!("../../../../statemachine/question.asl.json"),
        include_str!("../../../../statemachine/backfill.asl.json"),
    ]
    .map(|text| serde_json::from_str(&numbers.iter().fold(text.to_owned(), |text, number| text.replace(number, "3600"))).unwrap())
    .into()
}

fn input() -> Value {
    json!({
        "n": 5, "text": "abc", "digits": "17", "list": [1, 2, 3], "one": [7], "nested": [[1], [2]], "nothing": null,
        "object": {"deep": {"x": "y"}}, "rows": [{"x": 1}, {"x": 2}],
    })
}

fn evaluated(template: &Value) -> Result<Value, Fault> {
    let query = Query::compile(template, "Output").unwrap();
    with_scope(|scope| query.evaluate(scope).map(|json| json.value().clone()))
}

fn fault(location: &str, message: &str) -> Fault {
    Fault::query(location, message)
}

fn with_scope<T>(run: impl FnOnce(&Scope<'_>) -> T) -> T {
    let make = || json!({"Execution": {"Name": "night"}});
    let (context, random) = (context::Context::with_fields(&make, &|_, _| None), Random::new(7, &[]));
    let (input, result) = (Json::from(input()), Json::from(json!({"Id": "jr-1"})));
    let mut variables = Variables::default();
    variables.assign(&[("count".into(), json!(7).into())]);
    let (variables, now) = (&variables, Instant(1_700_000_000_123));
    run(&Scope { input: &input, context: &context, result: Some(&result), error_output: None, variables, random: &random, now })
}

/// What the states of a night see, more or less.
fn night_scope(run: impl FnOnce(&Scope<'_>)) {
    let make = || {
        json!({
            "Execution": {"Id": "arn:aws:states:eu-central-1:1:execution:n:night", "Name": "night", "StartTime": "2026-01-02T02:00:00.000Z", "Input": {}},
            "State": {"Name": "S", "EnteredTime": "2026-01-02T02:00:01.000Z"}, "Task": {"Token": "token"},
        })
    };
    let whole = make();
    let field = |section: &str, name: &str| whole.get(section)?.get(name).cloned().map(Json::from);
    let (context, random) = (context::Context::with_fields(&make, &field), Random::new(7, &[]));
    let rule = json!({"Name": "Rule_1", "Description": "IsComplete \"id\"", "Result": "PASS", "EvaluationMessage": "fine", "EvaluatedMetrics": {"x": 1.0}});
    let rules = vec![rule; 12];
    let judged: Vec<Value> = vec![json!({"name": "Rule_1", "rule": "IsComplete", "result": "PASS"}); 12];
    let input = Json::from(json!({
        "Status": "SUCCEEDED", "ResultIds": ["dqresult-1"], "queryExecutionId": "q-1", "timeoutSeconds": 3600, "scheduledTime": "2026-01-02T02:00:00Z",
        "startedBy": "schedule", "question": "?", "approvers": ["a", "b"], "Name": "t", "Columns": [{"Name": "a", "Type": "string"}],
    }));
    let result = Json::from(json!({
        "Id": "jr_0123", "RunId": "dqrun-1", "Payload": {"decision": "APPROVED"}, "Score": 1.0, "RuleResults": rules,
        "Item": {"verdict": {"S": "{\"decision\":\"APPROVED\",\"by\":\"Ann\",\"at\":\"2026-01-02T06:00:00Z\",\"orderLines\":12}"}},
        "QueryExecution": {"QueryExecutionId": "q-1"}, "ResultSet": {"Rows": [{"Data": [{"VarCharValue": "_col0"}]}, {"Data": [{"VarCharValue": "12"}]}]},
        "Table": {"StorageDescriptor": {"Columns": [{"Name": "a", "Type": "string"}], "Location": "s3://b/x/"}},
    }));
    let mut variables = Variables::default();
    let verdict = json!({"decision": "APPROVED", "by": "Ann", "at": "2026-01-02T06:00:00Z", "orderLines": 12, "reason": "fine", "waitedSeconds": 7, "evidenceDigest": "abc"});
    let assigned: Vec<(std::rc::Rc<str>, Json)> = [
        ("runDate", json!("2026-01-01")),
        ("runId", json!("run-1")),
        ("approvalId", json!("approval-1")),
        ("work", json!("s3://work/nightly-warehouse/run_date=2026-01-01/run-1")),
        ("startedAt", json!("2026-01-02T02:00:00.000Z")),
        ("startedBy", json!("schedule")),
        ("publishedRows", json!(12)),
        ("qualityRunId", json!("dqrun-1")),
        ("quality", json!({"score": 1, "rules": judged})),
        ("verdict", verdict),
        ("notice", json!({"outcome": "PUBLISHED", "runDate": "2026-01-01"})),
        ("noticeDelivery", json!({"delivered": true})),
    ]
    .map(|(name, value)| (name.into(), value.into()))
    .into();
    variables.assign(&assigned);
    let (variables, now) = (&variables, Instant(1_767_319_205_000));
    run(&Scope { input: &input, context: &context, result: Some(&result), error_output: None, variables, random: &random, now });
}
