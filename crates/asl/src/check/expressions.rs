//! What a JSONata expression reads, so that the rest can be judged without running it.

use jsonata_core::ast::{AstNode, BinaryOp, PathStep, Stage};
use jsonata_core::evaluator::Evaluator;
use jsonata_core::parser;
use jsonata_core::value::JValue;

use super::fields;
use crate::jsonata::{self, Query};

/// Everything that an expression takes from outside of itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Reads {
    /// Variables, without their `$`.
    pub(super) variables: Vec<Variable>,
    /// The fields below `$states`, such as `["context", "Task", "Token"]`.
    pub(super) states: Vec<Vec<String>>,
    /// References that lead nowhere because there is no input at the top: field names, `$`, `$$`.
    pub(super) top_level: Vec<String>,
    /// Functions that don't exist, as they are written.
    pub(super) unknown_functions: Vec<String>,
}

/// A variable that is read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Variable {
    pub(super) name: String,
    /// Whether the expression asks with `$exists` for it instead of relying on it.
    pub(super) asked_for: bool,
}

/// Reads an expression, without its `{%` and `%}`; the error is AWS's code and sentence for one that can't be read.
pub(super) fn read(source: &str) -> Result<Reads, (&'static str, String)> {
    let compiled = Query::compile(&format!("{{%{source}%}}").into(), "");
    let tree = match (parser::parse(source.trim()), &compiled) {
        (Ok(tree), _) => tree,
        (Err(_), Err(refusal)) => return Err((refusal.code, refusal.message.clone())),
        (Err(error), Ok(_)) => return Err(("INVALID_JSONATA_EXPRESSION", jsonata::unparsed(source, &error))),
    };
    let mut reader = Reader::default();
    reader.node(&tree, Context::Top);
    match compiled {
        // Of what leads nowhere, every place is told, not only the first.
        Err(refusal) if reader.reads.top_level.is_empty() => Err((refusal.code, refusal.message)),
        _ => Ok(reader.reads),
    }
}

/// Whether a task token is among what is read.
pub(super) fn passes_task_token(reads: &Reads) -> bool {
    reads.states.iter().any(|path| path.iter().zip(TASK_TOKEN).all(|(field, expected)| field == expected))
}

/// Whether the task token itself is read, and not only the context that it is a part of.
pub(super) fn reads_task_token(reads: &Reads) -> bool {
    reads.states.iter().any(|path| path.iter().take(3).eq(TASK_TOKEN.iter()))
}

const TASK_TOKEN: [&str; 3] = ["context", "Task", "Token"];

/// The number that an expression gives whenever it is evaluated.
pub(super) fn constant(source: &str) -> Option<f64> {
    let changes = ["$millis", "$now", "$random", "$shuffle", "$uuid"].iter().any(|function| source.contains(function));
    if changes || read(source).ok()? != Reads::default() {
        return None;
    }
    let tree = parser::parse(source).ok()?;
    Evaluator::new().evaluate(&tree, &JValue::Undefined).ok()?.as_f64()
}

/// Whether JSONata or Step Functions has a function of that name; `$eval` is none.
pub(super) fn is_function(name: &str) -> bool {
    jsonata::functions().any(|known| known == name)
}

/// The function whose name is nearly what is written.
pub(super) fn nearest_function(written: &str) -> Option<&'static str> {
    fields::nearest(written.trim_start_matches('$'), jsonata::functions())
}

/// What a field name without a `$` refers to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    /// Nothing: Step Functions gives an expression no input.
    Top,
    /// A value that the expression is working on.
    Inner,
}

#[derive(Default)]
struct Reader {
    reads: Reads,
    /// Names that the expression has bound itself.
    bound: Vec<String>,
    asking: bool,
}

impl Reader {
    fn node(&mut self, node: &AstNode, context: Context) {
        match node {
            AstNode::Name(name) => self.name(name, context),
            AstNode::Variable(name) => self.variable(name, context, &[]),
            AstNode::ParentVariable(_) => self.reads.top_level.push("$$".to_owned()),
            AstNode::Path { steps } => self.path(steps, context),
            AstNode::Binary { op: BinaryOp::ColonEqual, lhs, rhs } => self.binding(lhs, rhs, context),
            AstNode::Binary { lhs, rhs, .. } => {
                self.node(lhs, context);
                self.node(rhs, context);
            }
            AstNode::Unary { operand, .. } => self.node(operand, context),
            AstNode::Function { name, args, is_builtin } => self.call(name, *is_builtin, args, context),
            AstNode::Call { procedure, args } => {
                self.node(procedure, context);
                self.nodes(args, context);
            }
            AstNode::Lambda { params, body, .. } => {
                let outer = self.bound.len();
                self.bound.extend(params.iter().cloned());
                self.node(body, context);
                self.bound.truncate(outer);
            }
            AstNode::Array(items) | AstNode::ArrayGroup(items) => self.nodes(items, context),
            AstNode::Block(items) => {
                let outer = self.bound.len();
                self.nodes(items, context);
                self.bound.truncate(outer);
            }
            AstNode::Object(pairs) => self.pairs(pairs, context),
            AstNode::ObjectTransform { input, pattern } => {
                self.node(input, context);
                self.pairs(pattern, Context::Inner);
            }
            AstNode::Conditional { condition, then_branch, else_branch } => {
                self.node(condition, context);
                self.node(then_branch, context);
                if let Some(otherwise) = else_branch {
                    self.node(otherwise, context);
                }
            }
            AstNode::FunctionApplication(inner) => self.node(inner, context),
            AstNode::Sort { input, terms } => {
                self.node(input, context);
                for (term, _) in terms {
                    self.node(term, Context::Inner);
                }
            }
            AstNode::Transform { location, update, delete } => {
                self.node(location, Context::Inner);
                self.node(update, Context::Inner);
                if let Some(delete) = delete {
                    self.node(delete, Context::Inner);
                }
            }
            AstNode::String(_)
            | AstNode::Number(_)
            | AstNode::Boolean(_)
            | AstNode::Null
            | AstNode::Undefined
            | AstNode::Placeholder
            | AstNode::Regex { .. }
            | AstNode::Wildcard
            | AstNode::Descendant
            | AstNode::Parent(_) => {}
        }
    }

    fn nodes(&mut self, nodes: &[AstNode], context: Context) {
        for node in nodes {
            self.node(node, context);
        }
    }

    fn pairs(&mut self, pairs: &[(AstNode, AstNode)], context: Context) {
        for (key, value) in pairs {
            self.node(key, context);
            self.node(value, context);
        }
    }

    /// Each step works on what the step before it gave.
    fn path(&mut self, steps: &[PathStep], context: Context) {
        for (index, step) in steps.iter().enumerate() {
            match (&step.node, index) {
                (AstNode::Variable(name), 0) => {
                    let below: Vec<&str> = steps[1..].iter().map_while(|step| name_of(&step.node)).collect();
                    self.variable(name, context, &below);
                }
                (node, 0) => self.node(node, context),
                (AstNode::Name(_), _) => {}
                (node, _) => self.node(node, Context::Inner),
            }
            self.bound.extend(step.focus.iter().chain(&step.index_var).cloned());
            for stage in &step.stages {
                match stage {
                    Stage::Filter(filter) => self.node(filter, Context::Inner),
                    Stage::Index(name) => self.bound.push(name.clone()),
                    Stage::KeepArray => {}
                }
            }
        }
    }

    fn name(&mut self, name: &str, context: Context) {
        if context == Context::Top {
            self.reads.top_level.push(name.to_owned());
        }
    }

    fn variable(&mut self, name: &str, context: Context, below: &[&str]) {
        if name.is_empty() {
            if context == Context::Top {
                self.reads.top_level.push("$".to_owned());
            }
        } else if self.bound.iter().any(|bound| bound == name) || is_function(name) {
            // Its own, or a function that is handed on.
        } else if name == "states" {
            self.reads.states.push(below.iter().map(ToString::to_string).collect());
        } else {
            self.reads.variables.push(Variable { name: name.to_owned(), asked_for: self.asking });
        }
    }

    fn binding(&mut self, target: &AstNode, value: &AstNode, context: Context) {
        let AstNode::Variable(name) = target else {
            self.node(target, context);
            return self.node(value, context);
        };
        // A function may call itself; every other value is there only afterwards.
        if matches!(value, AstNode::Lambda { .. }) {
            self.bound.push(name.clone());
        }
        self.node(value, context);
        self.bound.push(name.clone());
    }

    fn call(&mut self, name: &str, with_dollar: bool, arguments: &[AstNode], context: Context) {
        if !with_dollar {
            self.name(name, context);
        } else if !self.bound.iter().any(|bound| bound == name) && !is_function(name) {
            self.reads.unknown_functions.push(format!("${name}"));
        }
        let outer = self.asking;
        self.asking |= name == "exists";
        self.nodes(arguments, context);
        self.asking = outer;
    }
}

fn name_of(node: &AstNode) -> Option<&str> {
    match node {
        AstNode::Name(name) | AstNode::String(name) => Some(name),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(source: &str) -> Vec<String> {
        read(source).expect("it parses").variables.into_iter().map(|variable| variable.name).collect()
    }

    #[test]
    fn a_variable_of_the_expression_itself_is_no_variable_of_the_machine() {
        assert_eq!(variables("($a := $b; $a + $c)"), ["b", "c"]);
        assert_eq!(variables("$map([1, 2], function($item, $index) { $item + $index + $offset })"), ["offset"]);
        assert_eq!(variables("($f := function($n) { $n = 0 ? 0 : $f($n - 1) }; $f($start))"), ["start"]);
        assert_eq!(variables("$orders@$o.lines#$i.{'order': $o.id, 'line': $i, 'day': $day}"), ["orders", "day"]);
        assert_eq!(variables("($a := 1) + $a"), ["a"], "a block's names end with it");
    }

    #[test]
    fn functions_that_are_handed_on_are_no_variables() {
        assert_eq!(variables("$names ~> $map($uppercase)"), ["names"]);
    }

    #[test]
    fn a_field_name_needs_something_to_be_a_field_of() {
        let top = |source: &str| read(source).expect("it parses").top_level;
        assert_eq!(top("phone"), ["phone"]);
        assert_eq!(top("phone.number"), ["phone"]);
        assert_eq!(top("count([1])"), ["count"]);
        assert_eq!(top("$$.phone"), ["$$"]);
        assert_eq!(top("$.phone"), ["$"]);
        assert_eq!(top("$count(orders[id = 1])"), ["orders"]);
        assert_eq!(top("$states.input.orders[id = 1 and $.open].{'id': id, 'all': $sum(lines.amount)}"), Vec::<String>::new());
        assert_eq!(top("$states.input.orders^(>amount)"), Vec::<String>::new());
        assert_eq!(top("{'a': 1}.a"), Vec::<String>::new());
    }

    #[test]
    fn the_fields_of_states_are_followed() {
        let reads = read("$states.context.Task.Token & $states.input.a[0].b").expect("it parses");
        assert_eq!(reads.states, [vec!["context", "Task", "Token"], vec!["input", "a", "b"]]);
        assert!(passes_task_token(&reads));
        assert!(passes_task_token(&read("{'task': $states.context}").expect("it parses")));
        assert!(!passes_task_token(&read("$states.context.Execution.Id").expect("it parses")));
    }

    #[test]
    fn a_number_that_depends_on_nothing_is_known_beforehand() {
        assert_eq!(constant(" $min([3600 - 1, $floor($number('3600') / 2)]) "), Some(1800.0));
        for changing in ["$limit * 2", "$states.input.seconds", "$millis()", "'text'", "1 +"] {
            assert_eq!(constant(changing), None, "{changing}");
        }
    }

    #[test]
    fn asking_whether_a_variable_exists_is_not_relying_on_it() {
        let reads = read("$exists($a.b) ? $b : 0").expect("it parses");
        let asked: Vec<_> = reads.variables.iter().map(|variable| (variable.name.as_str(), variable.asked_for)).collect();
        assert_eq!(asked, [("a", true), ("b", false)]);
    }

    #[test]
    fn functions_that_do_not_exist_are_found() {
        assert_eq!(read("$sise([1]) + $eval('1')").expect("it parses").unknown_functions, ["$sise", "$eval"]);
        assert_eq!(
            read("$uuid() & $hash('a', 'SHA-256') & $string($parse('1'))").expect("it parses").unknown_functions,
            Vec::<String>::new()
        );
    }

    #[test]
    fn what_does_not_parse_is_told_without_the_parsers_code() {
        for (source, said) in [
            ("1 +", "Unexpected end of expression"),
            ("\"open", "String literal must be terminated by a matching quote"),
            ("a[1,2)", r#"Expected "]", got ",""#),
            ("$states := 1", "'$states' is reserved and cannot be assigned."),
        ] {
            assert_eq!(read(source).expect_err(source).1, said);
        }
    }
}
