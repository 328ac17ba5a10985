//! What an expression reads and calls, found by walking it; and what Step Functions refuses in one.

use std::rc::Rc;

use jsonata_core::ast::{AstNode, BinaryOp, PathStep, Stage};

/// What an expression reads and calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Mentions {
    /// The workflow variables that it reads (`$name`), each once; its own local ones are not among them.
    pub(super) variables: Vec<Rc<str>>,
    /// The functions that it calls by name and doesn't define itself, each once.
    pub(super) functions: Vec<Rc<str>>,
    /// What it reads of `$states`, but for the context.
    pub(super) states: Vec<Part>,
    /// What it reads of `$states.context`.
    pub(super) context: ContextMentions,
    /// A function that it defines may call itself, so it may never end.
    pub(super) recursive: bool,
}

/// A part of `$states`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    Input,
    Result,
    ErrorOutput,
}

/// What an expression reads of the context object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum ContextMentions {
    #[default]
    Nothing,
    /// Only these, such as `Execution` `Name`.
    Fields(Vec<(Rc<str>, Rc<str>)>),
    /// More than single fields of its sections.
    Whole,
}

/// Walks an expression; gives why Step Functions refuses it, if it does.
pub(super) fn analyse(ast: &AstNode) -> Result<Mentions, Unsupported> {
    let mut walk = Walk::default();
    walk.node(ast, Place::Top)?;
    Ok(walk.found)
}

/// Why Step Functions refuses an expression that is valid JSONata, in its words where they are known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unsupported {
    /// There is no context item at the top level: `$`, `$$` and field names mean nothing there.
    #[error("Reference to '{0}' at the top level is not supported.")]
    TopLevel(String),
    #[error("'$states' is reserved and cannot be assigned.")]
    StatesAssigned,
    /// Operators younger than the JSONata that Step Functions knows (2.0.6), in the words of its parser.
    #[error("The symbol \"{0}\" cannot be used as a unary operator")]
    YoungOperator(&'static str),
}

impl Unsupported {
    /// Whether Step Functions' parser wouldn't have understood it in the first place.
    pub(super) fn is_syntax(&self) -> bool {
        matches!(self, Self::YoungOperator(_))
    }
}

/// Whether there is a context item that `$` and field names refer to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Top,
    Inside,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bound {
    Value,
    Function,
}

#[derive(Default)]
struct Walk {
    found: Mentions,
    /// Names that the expression itself has bound, innermost last.
    bound: Vec<(Rc<str>, Bound)>,
    lambdas: usize,
}

type Walked = Result<(), Unsupported>;

impl Walk {
    fn node(&mut self, node: &AstNode, place: Place) -> Walked {
        match node {
            AstNode::String(_)
            | AstNode::Number(_)
            | AstNode::Boolean(_)
            | AstNode::Null
            | AstNode::Undefined
            | AstNode::Placeholder
            | AstNode::Regex { .. } => Ok(()),
            AstNode::Name(name) => refuse_at(place, name),
            AstNode::Wildcard => refuse_at(place, "*"),
            AstNode::Descendant => refuse_at(place, "**"),
            AstNode::Parent(_) => refuse_at(place, "%"),
            AstNode::ParentVariable(_) => Err(Unsupported::TopLevel("$$".to_owned())),
            AstNode::Variable(name) if name.is_empty() => refuse_at(place, "$"),
            AstNode::Variable(name) => {
                self.variable(name, &[]);
                Ok(())
            }
            AstNode::Path { steps } => self.path(steps, place),
            AstNode::Binary { op, lhs, rhs } => self.binary(*op, lhs, rhs, place),
            AstNode::Unary { operand, .. } => self.node(operand, place),
            AstNode::Function { name, args, is_builtin } => {
                if *is_builtin {
                    self.call(name);
                } else {
                    refuse_at(place, name)?;
                }
                self.nodes(args, place)
            }
            AstNode::Call { procedure, args } => {
                self.node(procedure, place)?;
                self.nodes(args, place)
            }
            AstNode::Lambda { params, body, .. } => self.lambda(params, body, place),
            AstNode::Array(items) | AstNode::ArrayGroup(items) => self.nodes(items, place),
            AstNode::Object(fields) => self.pairs(fields, place),
            AstNode::ObjectTransform { input, pattern } => {
                self.node(input, place)?;
                self.pairs(pattern, Place::Inside)
            }
            AstNode::Block(nodes) => {
                let outside = self.bound.len();
                self.nodes(nodes, place)?;
                self.bound.truncate(outside);
                Ok(())
            }
            AstNode::Conditional { condition, then_branch, else_branch } => {
                self.node(condition, place)?;
                self.node(then_branch, place)?;
                else_branch.as_deref().map_or(Ok(()), |node| self.node(node, place))
            }
            AstNode::FunctionApplication(node) => self.node(node, place),
            AstNode::Sort { input, terms } => {
                self.node(input, place)?;
                terms.iter().try_for_each(|(term, _)| self.node(term, Place::Inside))
            }
            AstNode::Transform { location, update, delete } => {
                self.node(location, Place::Inside)?;
                self.node(update, Place::Inside)?;
                delete.as_deref().map_or(Ok(()), |node| self.node(node, Place::Inside))
            }
        }
    }

    fn nodes(&mut self, nodes: &[AstNode], place: Place) -> Walked {
        nodes.iter().try_for_each(|node| self.node(node, place))
    }

    fn pairs(&mut self, pairs: &[(AstNode, AstNode)], place: Place) -> Walked {
        pairs.iter().try_for_each(|(key, value)| {
            self.node(key, place)?;
            self.node(value, place)
        })
    }

    /// The first step stands where the path stands; the others have what the one before gave.
    fn path(&mut self, steps: &[PathStep], place: Place) -> Walked {
        for (index, step) in steps.iter().enumerate() {
            match (&step.node, index) {
                (AstNode::Variable(name), 0) if !name.is_empty() => self.variable(name, fields_after(steps)),
                (node, 0) => self.node(node, place)?,
                (node, _) => self.node(node, Place::Inside)?,
            }
            for name in step.focus.iter().chain(&step.index_var) {
                self.bind(name, Bound::Value);
            }
            for stage in &step.stages {
                match stage {
                    Stage::Filter(node) => self.node(node, Place::Inside)?,
                    Stage::Index(name) => self.bind(name, Bound::Value),
                    Stage::KeepArray => {}
                }
            }
        }
        Ok(())
    }

    fn binary(&mut self, op: BinaryOp, lhs: &AstNode, rhs: &AstNode, place: Place) -> Walked {
        match (op, lhs) {
            (BinaryOp::ColonEqual, AstNode::Variable(name)) => {
                if name == "states" {
                    return Err(Unsupported::StatesAssigned);
                }
                // A function may call itself by the name that it is given; anything else is evaluated before it has the name.
                if matches!(rhs, AstNode::Lambda { .. }) {
                    self.bind(name, Bound::Function);
                    self.node(rhs, place)
                } else {
                    self.node(rhs, place)?;
                    self.bind(name, Bound::Value);
                    Ok(())
                }
            }
            (BinaryOp::Coalesce, _) => Err(Unsupported::YoungOperator("?")),
            (BinaryOp::Default, _) => Err(Unsupported::YoungOperator(":")),
            _ => {
                self.node(lhs, place)?;
                self.node(rhs, place)
            }
        }
    }

    fn lambda(&mut self, params: &[String], body: &AstNode, place: Place) -> Walked {
        if params.iter().any(|name| name == "states") {
            return Err(Unsupported::StatesAssigned);
        }
        let outside = self.bound.len();
        for name in params {
            self.bind(name, Bound::Value);
        }
        self.lambdas += 1;
        let walked = self.node(body, place);
        self.lambdas -= 1;
        self.bound.truncate(outside);
        walked
    }

    fn call(&mut self, name: &str) {
        if self.bound(name).is_some() {
            self.found.recursive |= self.lambdas > 0;
        } else {
            add(&mut self.found.functions, name);
        }
    }

    fn variable(&mut self, name: &str, fields: &[PathStep]) {
        match self.bound(name) {
            Some(bound) => self.found.recursive |= self.lambdas > 0 && bound == Bound::Function,
            None if name == "states" => self.states(fields),
            None => add(&mut self.found.variables, name),
        }
    }

    fn states(&mut self, fields: &[PathStep]) {
        let part = match split_field(fields) {
            None => Part::Whole,
            Some(("input", _)) => Part::Input,
            Some(("result", _)) => Part::Result,
            Some(("errorOutput", _)) => Part::ErrorOutput,
            Some(("context", rest)) => return self.context(rest),
            // There are no others: they are undefined.
            Some(_) => return,
        };
        if !self.found.states.contains(&part) {
            self.found.states.push(part);
        }
    }

    fn context(&mut self, fields: &[PathStep]) {
        let one = split_field(fields).and_then(|(section, rest)| Some((section, split_field(rest)?.0)));
        match (one, &mut self.found.context) {
            (_, ContextMentions::Whole) => {}
            (None, context) => *context = ContextMentions::Whole,
            (Some((section, name)), context @ ContextMentions::Nothing) => {
                *context = ContextMentions::Fields(vec![(section.into(), name.into())]);
            }
            (Some((section, name)), ContextMentions::Fields(fields)) => {
                if !fields.iter().any(|known| (&*known.0, &*known.1) == (section, name)) {
                    fields.push((section.into(), name.into()));
                }
            }
        }
    }

    fn bind(&mut self, name: &str, bound: Bound) {
        self.bound.push((name.into(), bound));
    }

    fn bound(&self, name: &str) -> Option<Bound> {
        self.bound.iter().rev().find(|(known, _)| &**known == name).map(|(_, bound)| *bound)
    }
}

fn refuse_at(place: Place, name: &str) -> Walked {
    if place == Place::Top { Err(Unsupported::TopLevel(name.to_owned())) } else { Ok(()) }
}

/// The plain field names after the first step of a path; a predicate on the first step is looked through by nobody.
fn fields_after(steps: &[PathStep]) -> &[PathStep] {
    match steps {
        [first, rest @ ..] if is_plain(first) => rest,
        _ => &[],
    }
}

fn split_field(steps: &[PathStep]) -> Option<(&str, &[PathStep])> {
    match steps {
        [step @ PathStep { node: AstNode::Name(name), .. }, rest @ ..] => Some((name, if is_plain(step) { rest } else { &[] })),
        _ => None,
    }
}

fn is_plain(step: &PathStep) -> bool {
    step.stages.is_empty() && step.focus.is_none() && step.index_var.is_none() && !step.is_tuple
}

fn add(names: &mut Vec<Rc<str>>, name: &str) {
    if !names.iter().any(|known| &**known == name) {
        names.push(name.into());
    }
}

#[cfg(test)]
mod tests {
    use jsonata_core::parser::parse;

    use super::{ContextMentions, Mentions, Part, Unsupported, analyse};

    #[test]
    fn a_path_tells_which_part_of_states_it_reads() {
        let found = mentions("$states.input.a & $states.result[0].b & $states.errorOutput.Error & $states.inptu");
        assert_eq!(found.states, [Part::Input, Part::Result, Part::ErrorOutput]);
        assert_eq!(found.context, ContextMentions::Nothing);
        assert_eq!(mentions("$string($states)").states, [Part::Whole]);
    }

    #[test]
    fn the_fields_of_the_context_are_told_until_one_reads_more() {
        let two = mentions("$states.context.Execution.Name & $states.context.Execution.Input.a & $states.context.Execution.Name");
        assert_eq!(two.context, ContextMentions::Fields(vec![("Execution".into(), "Name".into()), ("Execution".into(), "Input".into())]));
        assert_eq!(mentions("[$states.context.Execution.Name, $states.context.State]").context, ContextMentions::Whole);
        assert_eq!(mentions("$states.context.*.Name").context, ContextMentions::Whole);
    }

    #[test]
    fn a_name_that_the_expression_binds_is_no_workflow_variable() {
        assert_eq!(names(&mentions("($a := $b; $a + $c)").variables), ["b", "c"]);
        assert_eq!(names(&mentions("($x := $x + 1; $x)").variables), ["x"]);
        assert_eq!(names(&mentions("$map($all, function($one) { $one & $two })").variables), ["all", "two"]);
        assert_eq!(names(&mentions("(($a := 1); $a)").variables), ["a"]);
        assert_eq!(names(&mentions("$states.input.items@$i.sub#$n.($i & $n & $m)").variables), ["m"]);
    }

    #[test]
    fn functions_are_told_unless_the_expression_defines_them() {
        let found = mentions("($twice := function($n) { $n * 2 }; $sum([$twice(1), $wice(2)]) ~> $string())");
        assert_eq!(names(&found.functions), ["sum", "wice", "string"]);
    }

    #[test]
    fn what_has_no_context_item_is_refused() {
        for (source, name) in [
            ("phone", "phone"),
            ("phone.x", "phone"),
            ("$string(a)", "a"),
            ("$.x", "$"),
            ("$$", "$$"),
            ("$states.input[$$.x = 1]", "$$"),
            ("*", "*"),
            ("**.x", "**"),
            ("function($x) { y }", "y"),
            ("foo()", "foo"),
            ("{'a': b}", "b"),
        ] {
            assert_eq!(analyse(&parse(source).unwrap()), Err(Unsupported::TopLevel(name.to_owned())), "{source}");
        }
        for source in [
            "$states.input.a[b = $ and c.d].(e)^(f){g: $}",
            "$states.input.*",
            "$states.input.a ~> |$|{'b': c}|",
            "$states.input.a.$string()",
            "$map($states.input.a, $string)",
        ] {
            assert!(analyse(&parse(source).unwrap()).is_ok(), "{source}");
        }
    }

    #[test]
    fn states_stay_what_they_are() {
        for source in ["$states := 1", "($states := {}; $states.input)", "function($states) { 1 }"] {
            assert_eq!(analyse(&parse(source).unwrap()), Err(Unsupported::StatesAssigned), "{source}");
        }
    }

    #[test]
    fn operators_that_step_functions_does_not_know_are_refused() {
        assert_eq!(analyse(&parse("$a ?? 1").unwrap()), Err(Unsupported::YoungOperator("?")));
        assert_eq!(analyse(&parse("$a ?: 1").unwrap()), Err(Unsupported::YoungOperator(":")));
    }

    #[test]
    fn only_what_may_call_itself_is_recursive() {
        assert!(mentions("($f := function($n) { $f($n + 1) }; $f(1))").recursive);
        assert!(mentions("($f := function($g) { $g($g) }; $f($f))").recursive);
        assert!(!mentions("($day := function($n) { $floor($n) }; $map([1], $day))").recursive);
    }

    fn mentions(source: &str) -> Mentions {
        analyse(&parse(source).unwrap()).unwrap()
    }

    fn names(names: &[std::rc::Rc<str>]) -> Vec<&str> {
        names.iter().map(|name| &**name).collect()
    }
}
