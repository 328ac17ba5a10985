//! Paths (`$.orders[0]`, `$$.Execution.Id`, `$variable.field`), as AWS reads them: Jayway JsonPath's dialect of the days when
//! it had no functions. `$.orders.length()` is accepted and finds nothing, as on AWS.

mod filter;
mod parse;
mod select;

use std::rc::Rc;

use serde_json::{Map, Value};

use crate::context::{Fault, Scope};
use crate::value::Json;
use filter::Filter;
pub(crate) use select::{Found, Miss};

/// A path that was read.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    text: Rc<str>,
    root: Root,
    steps: Vec<Step>,
}

/// What a path starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Root {
    /// `$`.
    Input,
    /// `$$`.
    Context,
    /// `$name`.
    Variable(Rc<str>),
}

#[derive(Debug, Clone)]
enum Step {
    /// `.name` or `['name']`.
    Property(Rc<str>),
    /// `['name','name']`.
    Properties(Vec<Rc<str>>),
    /// `[0]`; a negative one counts from the end.
    Index(i64),
    /// `[0,2]`.
    Indices(Vec<i64>),
    /// `[1:3]`.
    Slice { from: Option<i64>, to: Option<i64> },
    /// `.*` or `[*]`.
    Wildcard,
    /// `..`: the step after it, wherever it applies.
    Descent,
    /// `[?(@.price < 10)]`.
    Filter(Filter),
}

impl Path {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        parse::path(text)
    }

    /// As the definition has it.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// What stands there: the value for a path that can name one node only, an array for all others.
    pub(crate) fn evaluate(&self, scope: &Scope<'_>) -> Result<Json, Fault> {
        self.value(scope).map_err(|miss| match miss {
            Miss::NoInput => Fault::runtime(Miss::NO_INPUT),
            Miss::Absent(reason) | Miss::PastTheEnd(reason) | Miss::Inapplicable(reason) => {
                Fault::runtime(format!("Invalid path '{}' : {reason}", self.text))
            }
        })
    }

    /// What stands there, or why nothing does: each field tells it in words of its own.
    pub(crate) fn value(&self, scope: &Scope<'_>) -> Result<Json, Miss> {
        if self.steps.is_empty() {
            return self.whole(scope).cloned();
        }
        match self.field_of_context(scope) {
            Some((field, [])) => Ok(field),
            _ => self.find(scope).map(Found::into_json),
        }
    }

    /// The same without a copy.
    pub(crate) fn find<'a>(&self, scope: &Scope<'a>) -> Result<Found<'a>, Miss> {
        if let Some((field, steps)) = self.field_of_context(scope)
            && let Ok(found) = select::select(steps, field.value())
        {
            return Ok(found.into_owned());
        }
        let whole = self.whole(scope)?.value();
        if whole.is_null() && self.root == Root::Input && !self.steps.is_empty() {
            return Err(Miss::NoInput);
        }
        select::select(&self.steps, whole)
    }

    /// Puts a value where a reference path (`ResultPath`) points, making the objects on the way.
    pub(crate) fn put(&self, into: &Value, value: &Value) -> Result<Value, Fault> {
        let mut whole = into.clone();
        let place = self.steps.iter().try_fold(&mut whole, |place, step| place_of(place, step)).ok_or_else(|| Fault {
            error: Fault::RESULT_PATH,
            location: None,
            message: format!("Unable to apply ReferencePath {} to input {into}", self.text),
        })?;
        *place = value.clone();
        Ok(whole)
    }

    /// Only names and indices: it leads to one place at most, as `ResultPath` and others demand. Functions aren't names
    /// there, though they are read as such.
    pub(crate) fn is_reference(&self) -> bool {
        self.steps.iter().all(|step| match step {
            Step::Property(name) => !name.ends_with("()"),
            Step::Index(_) => true,
            _ => false,
        })
    }

    /// The variable that it starts from.
    pub(crate) fn variable(&self) -> Option<&str> {
        match &self.root {
            Root::Variable(name) => Some(name),
            Root::Input | Root::Context => None,
        }
    }

    /// The names that it goes along, if it has nothing else.
    pub(crate) fn names(&self) -> Option<Vec<&str>> {
        self.steps.iter().map(|step| if let Step::Property(name) = step { Some(&**name) } else { None }).collect()
    }

    /// Whether it starts from the context object.
    pub(crate) fn is_of_context(&self) -> bool {
        self.root == Root::Context
    }

    /// `$$.Execution.Name` and the like, with the steps after it: looked up without making the rest of the context object.
    fn field_of_context(&self, scope: &Scope<'_>) -> Option<(Json, &[Step])> {
        match (&self.root, self.steps.as_slice()) {
            (Root::Context, [Step::Property(section), Step::Property(name), rest @ ..]) => {
                Some((scope.context.field(section, name)?, rest))
            }
            _ => None,
        }
    }

    fn whole<'a>(&self, scope: &Scope<'a>) -> Result<&'a Json, Miss> {
        match &self.root {
            Root::Input => Ok(scope.input),
            Root::Context => Ok(scope.context.json()),
            Root::Variable(name) => scope.variables.lookup(name).ok_or_else(|| Miss::Absent(format!("No results for path: $['{name}']"))),
        }
    }
}

fn place_of<'a>(place: &'a mut Value, step: &Step) -> Option<&'a mut Value> {
    match step {
        Step::Property(name) => Some(place.as_object_mut()?.entry(&**name).or_insert_with(|| Value::Object(Map::new()))),
        Step::Index(index) => {
            let items = place.as_array_mut()?;
            let index = select::position(*index, items.len())?;
            items.get_mut(index)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::testing;

    fn evaluate(path: &str, input: Value) -> Result<Value, String> {
        let input = Json::from(input);
        let path = Path::parse(path)?;
        testing::scope(&input, |scope| path.evaluate(scope)).map(|json| json.value().clone()).map_err(|fault| fault.message)
    }

    fn finds(path: &str, input: Value, expected: Value) {
        assert_eq!(evaluate(path, input), Ok(expected), "{path}");
    }

    fn fails(path: &str, input: Value, reason: &str) {
        assert_eq!(evaluate(path, input), Err(format!("Invalid path '{path}' : {reason}")));
    }

    #[test]
    fn a_definite_path_gives_the_value() {
        let input = json!({"a": {"b c": [10, 20, {"d-e": null}]}});
        finds("$", input.clone(), input.clone());
        finds("$.a['b c'][0]", input.clone(), json!(10));
        finds("$['a'][\"b c\"][-2]", input.clone(), json!(20));
        finds("$.a.['b c'][2].d-e", input.clone(), Value::Null);
        finds("$['a','x']", input, json!({"a": {"b c": [10, 20, {"d-e": null}]}}));
    }

    #[test]
    fn a_backslash_in_a_name_is_itself() {
        finds(r#"$['Test\""Name"']"#, json!({r#"Test\""Name""#: 1}), json!(1));
    }

    #[test]
    fn a_path_that_may_name_several_nodes_gives_an_array() {
        let input = json!({"items": [{"n": 0, "t": "x"}, {"n": 1, "t": "y"}, {"n": 2}], "m": {"a": 1, "b": 2}});
        finds("$.items[*].t", input.clone(), json!(["x", "y"]));
        finds("$.items[0,2].n", input.clone(), json!([0, 2]));
        finds("$.items[1:].n", input.clone(), json!([1, 2]));
        finds("$.items[:1].n", input.clone(), json!([0]));
        finds("$.items[-2:].n", input.clone(), json!([1, 2]));
        finds("$.items[:-1].n", input.clone(), json!([0, 1]));
        finds("$.items[0:2].n", input.clone(), json!([0, 1]));
        finds("$.items[5:]", input.clone(), json!([]));
        finds("$.m.*", input.clone(), json!([1, 2]));
        finds("$..n", input.clone(), json!([0, 1, 2]));
        finds("$.items..t", input.clone(), json!(["x", "y"]));
        finds("$..[0]", input, json!([{"n": 0, "t": "x"}]));
    }

    #[test]
    fn a_filter_keeps_what_it_accepts() {
        let input = json!({"jar": [{"a": 1, "t": "x"}, {"a": 5.0, "t": "y"}, {"a": 7}, 3, {"t": null}], "limit": 5});
        let ones = |path: &str, expected: Value| finds(path, input.clone(), expected);
        ones("$.jar[?(@.a >= 5)].a", json!([5.0, 7]));
        ones("$.jar[?(@.a == 5)].t", json!(["y"]));
        ones("$.jar[?(@.t == 'x' && @.a < 3)].a", json!([1]));
        ones("$.jar[?(@.t == \"x\" || @.a > 6)].a", json!([1, 7]));
        ones("$.jar[?(@.a && !(@.t))].a", json!([7]));
        ones("$.jar[?(@.t)].t", json!(["x", "y", null]));
        ones("$.jar[?(@.t == null)]", json!([{"t": null}]));
        ones("$.jar[?(@.a >= $.limit)].a", json!([5.0, 7]));
        ones("$.jar[?(@ == 3)]", json!([]));
        ones("$.jar[?(@.a == 'x')]", json!([]));
        ones("$..[?(@.a == 7)]", json!([{"a": 7}]));
        ones("$.jar[?(@['t'] != 'x')].a", json!([5.0, 7]));
    }

    #[test]
    fn what_an_array_path_does_not_find_is_an_empty_array() {
        finds("$[*]", json!({}), json!([]));
        finds("$.items[*]", json!({}), json!([]));
        finds("$.item.items[1:5].itemValue", json!({}), json!([]));
        finds("$.item.items[?(@.x == 1)]", json!({}), json!([]));
        finds("$.items[*].x.y", json!({"items": [{}, 1]}), json!([]));
    }

    #[test]
    fn what_a_definite_path_does_not_find_is_told_as_the_library_tells_it() {
        fails("$.no", json!({}), "No results for path: $['no']");
        fails("$.no.such.path", json!({}), "Missing property in path $['no']");
        fails("$.a.no", json!({"a": 1}), "Property ['no'] not found in path $['a']");
        fails("$.a[0]", json!({"a": null}), "The path $['a'] is null");
        fails("$.a[7].b", json!({"a": []}), "No results for path: $['a'][7]['b']");
        fails("$.list.length()", json!({"list": []}), "Property ['length()'] not found in path $['list']");
        fails("$.a[0]", json!({"a": 1}), "Filter: [0] can only be applied to arrays. Current context is: 1");
        fails("$[1:]", json!({}), "Filter: [1:] can only be applied to arrays. Current context is: {}");
        fails("$['a','b'].v", json!({"a": {"v": 1}}), "Multi properties can only be used as path leafs: $['a', 'b']");
    }

    #[test]
    fn nothing_can_be_looked_up_in_no_input() {
        assert_eq!(evaluate("$.a", Value::Null), Err(Miss::NO_INPUT.to_owned()));
        finds("$", Value::Null, Value::Null);
    }

    #[test]
    fn context_and_variables_are_roots() {
        finds("$$.Execution.Input", json!({}), json!({"from": "execution"}));
        finds("$answer.number", json!({}), json!(42));
        finds("$answer", json!({}), json!({"number": 42, "list": [1, 2]}));
        finds("$answer.list[*]", json!({}), json!([1, 2]));
        fails("$unknown", json!({}), "No results for path: $['unknown']");
    }

    #[test]
    fn a_value_is_put_and_the_objects_on_the_way_are_made() {
        let put = |path: &str, into: Value| Path::parse(path).unwrap().put(&into, &json!(1)).map_err(|fault| (fault.error, fault.message));
        assert_eq!(put("$", json!({"a": 0})), Ok(json!(1)));
        assert_eq!(put("$.a", json!({"a": 0, "b": 2})), Ok(json!({"a": 1, "b": 2})));
        assert_eq!(put("$.x.y.z", json!({"b": 2})), Ok(json!({"b": 2, "x": {"y": {"z": 1}}})));
        assert_eq!(put("$.l[1]", json!({"l": [5, 6]})), Ok(json!({"l": [5, 1]})));
        let refused = |path: &str, into: Value| {
            let message = format!("Unable to apply ReferencePath {path} to input {into}");
            assert_eq!(put(path, into), Err(("States.ResultPathMatchFailure", message)));
        };
        refused("$.l[2]", json!({"l": [5, 6]}));
        refused("$.a.b", json!({"a": "text"}));
        refused("$.a", json!([1]));
    }

    #[test]
    fn a_reference_path_has_names_and_indices_only() {
        for (path, reference) in [
            ("$", true),
            ("$.a['b'][0]", true),
            ("$$.a", true),
            ("$v.a", true),
            ("$.a[*]", false),
            ("$.a[0,1]", false),
            ("$.a[1:]", false),
            ("$..a", false),
            ("$.a['b','c']", false),
            ("$.a[?(@.b == ']')].c", false),
            ("$.a.length()", false),
        ] {
            assert_eq!(Path::parse(path).unwrap().is_reference(), reference, "{path}");
        }
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-2..3).prop_map(Value::from),
            "[ab]".prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 24, 3, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                proptest::collection::vec(("[ab]", inner), 0..3).prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_path_of_any_steps_finds_something_or_says_why_not(
            steps in proptest::collection::vec(
                proptest::sample::select(vec![
                    ".a", "['b']", "['a','b']", "[0]", "[-1]", "[-9223372036854775808]", "[0,1]", "[1:]", "[:-1]", "[-2:9]", "[*]", ".*",
                    "..a", "..[0]", "..*", "[?(@.a)]", "..[?(@.a == 1)]", "[?(!(@.b > 0) || $.a == 'b')]",
                ]),
                0..4,
            ),
            input in any_value(),
        ) {
            let path = format!("${}", steps.concat());
            let definite = steps.iter().all(|step| matches!(*step, ".a" | "['b']" | "['a','b']" | "[0]" | "[-1]" | "[-9223372036854775808]"));
            if let Ok(found) = evaluate(&path, input) {
                prop_assert!(definite || found.is_array(), "{} gave {}", path, found);
            }
        }

        #[test]
        fn what_is_put_is_found_there(steps in proptest::collection::vec(proptest::sample::select(vec![".a", "['b']", "[0]"]), 1..4), input in any_value()) {
            let path = Path::parse(&format!("${}", steps.concat())).unwrap();
            if let Ok(put) = path.put(&input, &json!("new")) {
                let put = Json::from(put);
                let found = testing::scope(&put, |scope| path.evaluate(scope)).map(|json| json.value().clone());
                prop_assert_eq!(found, Ok(json!("new")));
            }
        }
    }
}
