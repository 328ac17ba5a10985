//! Finding the native shape of an expression.

use std::collections::HashSet;

use jsonata_core::ast::{AstNode, BinaryOp, PathStep, Stage, UnaryOp};
use jsonata_core::functions::string::build_regex;
use jsonata_core::value::JValue;

use super::{Each, Function, Item, Operator, Piece, Root, Shape, Step, short_whole};
use crate::jsonata::{functions, tree};

type Constant<'a> = &'a dyn Fn(&AstNode) -> Option<JValue>;

pub(super) fn shape(ast: &AstNode, constant: Constant<'_>) -> Option<Shape> {
    let mut assigned = HashSet::new();
    tree::each(ast, &mut |node| {
        if let AstNode::Binary { op: BinaryOp::ColonEqual, lhs, .. } = node
            && let AstNode::Variable(name) = &**lhs
        {
            assigned.insert(name.clone());
        }
    });
    Builder { constant, assigned, locals: Vec::new(), slots: 0, place: Place::Top }.node(ast)
}

struct Builder<'a> {
    constant: Constant<'a>,
    /// The names that the expression gives a value to somewhere.
    assigned: HashSet<String>,
    /// What is bound here, innermost last.
    locals: Vec<(String, Local)>,
    slots: usize,
    place: Place,
}

#[derive(Clone)]
enum Local {
    Slot(usize),
    /// A function, which is put in wherever it is called.
    Function {
        parameters: Vec<String>,
        body: AstNode,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Top,
    /// In a function, what else the expression binds may have changed by the time of the call.
    Function,
}

impl Builder<'_> {
    fn node(&mut self, node: &AstNode) -> Option<Shape> {
        if let Some(value) = (self.constant)(node) {
            return Some(Shape::Constant(value));
        }
        match node {
            AstNode::Variable(name) => self.root(name, Vec::new()),
            AstNode::Path { steps } => self.path(steps),
            AstNode::Binary { op: BinaryOp::Concatenate, .. } => {
                let mut parts = Vec::new();
                self.parts(node, &mut parts)?;
                Some(Shape::Concatenate(parts.into()))
            }
            AstNode::Binary { op, lhs, rhs } => Some(Shape::Binary(operator(*op)?, Box::new((self.node(lhs)?, self.node(rhs)?)))),
            AstNode::Unary { op: UnaryOp::Negate, operand } => Some(Shape::Negate(Box::new(self.node(operand)?))),
            AstNode::Object(fields) => self.object(fields),
            AstNode::Array(items) => {
                let items = items.iter().map(|item| {
                    let kind = if matches!(item, AstNode::Array(_)) { Item::Nested } else { Item::Taken };
                    Some((self.node(item)?, kind))
                });
                Some(Shape::Array(items.collect::<Option<_>>()?))
            }
            AstNode::Conditional { condition, then_branch, else_branch } => {
                let no = match else_branch {
                    Some(node) => self.node(node)?,
                    None => Shape::Constant(JValue::Undefined),
                };
                Some(Shape::Conditional(Box::new((self.node(condition)?, self.node(then_branch)?, no))))
            }
            AstNode::Block(statements) => self.block(statements),
            AstNode::Function { name, args, is_builtin: true } => self.function(name, args),
            _ => None,
        }
    }

    /// A chain of `&` is one text.
    fn parts(&mut self, node: &AstNode, parts: &mut Vec<Shape>) -> Option<()> {
        match node {
            AstNode::Binary { op: BinaryOp::Concatenate, lhs, rhs } => {
                self.parts(lhs, parts)?;
                self.parts(rhs, parts)
            }
            node => {
                parts.push(self.node(node)?);
                Some(())
            }
        }
    }

    /// Fields of fields; then perhaps a predicate on the last, and then perhaps what is made of each item.
    fn path(&mut self, steps: &[PathStep]) -> Option<Shape> {
        let (first, mut rest) = steps.split_first()?;
        let mut fields = Vec::new();
        let name = match &first.node {
            AstNode::Variable(name) if !name.is_empty() && is_bare(first) && first.stages.is_empty() => Some(name),
            AstNode::Name(_) => {
                rest = steps;
                None
            }
            _ => return None,
        };
        let mut predicate = None;
        while let [next, after @ ..] = rest
            && let AstNode::Name(name) = &next.node
        {
            if !is_bare(next) {
                return None;
            }
            let (index, filter) = match next.stages.as_slice() {
                [] => (None, None),
                [Stage::Filter(filter)] => match position(filter) {
                    Some(index) => (Some(index), None),
                    None => (None, Some(filter)),
                },
                _ => return None,
            };
            fields.push(Step { name: name.as_str().into(), index });
            rest = after;
            if let Some(filter) = filter {
                predicate = Some(self.node(filter)?);
                break;
            }
        }
        let source = match name {
            Some(name) => self.root(name, fields)?,
            None => Shape::ReadItem(fields.into()),
        };
        let make = match rest {
            [] => None,
            [step] if is_bare(step) && step.stages.is_empty() => Some(match &step.node {
                AstNode::Object(fields) => self.object(fields)?,
                AstNode::FunctionApplication(block) if matches!(**block, AstNode::Block(_)) => self.node(block)?,
                AstNode::Name(name) => Shape::ReadItem([Step { name: name.as_str().into(), index: None }].into()),
                _ => return None,
            }),
            _ => return None,
        };
        if predicate.is_none() && make.is_none() {
            return Some(source);
        }
        Some(Shape::Each(Box::new(Each { source, predicate, make })))
    }

    fn root(&self, name: &str, mut steps: Vec<Step>) -> Option<Shape> {
        if let Some((_, local)) = self.locals.iter().rev().find(|(known, _)| known == name) {
            return match local {
                Local::Slot(slot) if steps.is_empty() => Some(Shape::Local(*slot)),
                _ => None,
            };
        }
        if self.place == Place::Function && self.assigned.contains(name) {
            return None;
        }
        if name != "states" {
            // A function without a call is a value too.
            let is_variable = !name.is_empty() && !functions::is_known(name);
            return is_variable.then(|| Shape::Read(Root::Variable(name.into()), steps.into()));
        }
        if steps.first()?.index.is_some() {
            return None;
        }
        let root = match &*steps.remove(0).name {
            "input" => Root::Input,
            "result" => Root::Result,
            "errorOutput" => Root::ErrorOutput,
            "context" if steps.len() >= 2 && steps[..2].iter().all(|step| step.index.is_none()) => {
                let mut context = steps.drain(..2).map(|step| step.name);
                Root::ContextField(context.next()?, context.next()?)
            }
            "context" => Root::Context,
            _ => return None,
        };
        Some(Shape::Read(root, steps.into()))
    }

    fn object(&mut self, fields: &[(AstNode, AstNode)]) -> Option<Shape> {
        let mut object: Vec<(String, Shape)> = Vec::with_capacity(fields.len());
        for (key, value) in fields {
            let AstNode::String(key) = key else { return None };
            if object.iter().any(|(known, _)| known == key) {
                return None;
            }
            object.push((key.clone(), self.node(value)?));
        }
        Some(Shape::Object(object.into()))
    }

    fn block(&mut self, statements: &[AstNode]) -> Option<Shape> {
        let outside = self.locals.len();
        let mut block = Vec::with_capacity(statements.len());
        for statement in statements {
            match statement {
                AstNode::Binary { op: BinaryOp::ColonEqual, lhs, rhs } => {
                    let AstNode::Variable(name) = &**lhs else { return None };
                    if let AstNode::Lambda { params, body, signature: None, .. } = &**rhs {
                        let function = Local::Function { parameters: params.clone(), body: (**body).clone() };
                        self.locals.push((name.clone(), function));
                    } else {
                        let value = self.node(rhs)?;
                        let slot = self.bind(name);
                        block.push((Some(slot), value));
                    }
                }
                statement => block.push((None, self.node(statement)?)),
            }
        }
        self.locals.truncate(outside);
        let ends_with_function = matches!(
            statements.last(),
            Some(AstNode::Binary { op: BinaryOp::ColonEqual, rhs, .. }) if matches!(**rhs, AstNode::Lambda { .. })
        );
        (!block.is_empty() && !ends_with_function).then(|| Shape::Block(block.into()))
    }

    fn bind(&mut self, name: &str) -> usize {
        let slot = self.slots;
        self.slots += 1;
        self.locals.push((name.to_owned(), Local::Slot(slot)));
        slot
    }

    /// A call of a function that the expression defines: its parameters get values, then comes its body.
    fn inlined(&mut self, parameters: &[String], body: &AstNode, arguments: &[AstNode]) -> Option<Shape> {
        if arguments.len() != parameters.len() {
            return None;
        }
        let mut block = arguments.iter().map(|argument| Some((None, self.node(argument)?))).collect::<Option<Vec<_>>>()?;
        let (outer, place) = (std::mem::take(&mut self.locals), std::mem::replace(&mut self.place, Place::Function));
        for (statement, parameter) in block.iter_mut().zip(parameters) {
            statement.0 = Some(self.bind(parameter));
        }
        let body = self.node(body);
        (self.locals, self.place) = (outer, place);
        block.push((None, body?));
        Some(Shape::Block(block.into()))
    }

    fn function(&mut self, name: &str, arguments: &[AstNode]) -> Option<Shape> {
        if let Some((_, local)) = self.locals.iter().rev().find(|(known, _)| known == name) {
            return match local.clone() {
                Local::Function { parameters, body } => self.inlined(&parameters, &body, arguments),
                Local::Slot(_) => None,
            };
        }
        if self.assigned.contains(name) {
            return None;
        }
        match (name, arguments) {
            ("contains", [text, AstNode::Regex { pattern, flags }]) => {
                // One that matches nothing at all is an error to JSONata.
                let regex = build_regex(pattern, flags).ok().filter(|regex| !regex.is_match(""))?;
                return Some(Shape::Matches(Box::new(self.node(text)?), regex));
            }
            ("fromMillis", [millis, AstNode::String(picture)]) => {
                return Some(Shape::Date(Box::new(self.node(millis)?), pieces(picture)?.into()));
            }
            _ => {}
        }
        let (function, accepted) = match name {
            "contains" => (Function::Contains, 2..=2),
            "count" => (Function::Count, 1..=1),
            "exists" => (Function::Exists, 1..=1),
            "floor" => (Function::Floor, 1..=1),
            "hash" => (Function::Hash, 2..=2),
            "join" => (Function::Join, 2..=2),
            "max" => (Function::Max, 1..=1),
            "merge" => (Function::Merge, 1..=1),
            "millis" => (Function::Millis, 0..=0),
            "min" => (Function::Min, 1..=1),
            "not" => (Function::Not, 1..=1),
            "number" => (Function::Number, 1..=1),
            "parse" => (Function::Parse, 1..=1),
            "string" => (Function::String, 1..=1),
            "substring" => (Function::Substring, 2..=3),
            "toMillis" => (Function::ToMillis, 1..=1),
            "uuid" => (Function::Uuid, 0..=0),
            _ => return None,
        };
        if !accepted.contains(&arguments.len()) {
            return None;
        }
        let arguments = arguments.iter().map(|argument| self.node(argument)).collect::<Option<_>>()?;
        Some(Shape::Call(function, arguments))
    }
}

fn is_bare(step: &PathStep) -> bool {
    step.focus.is_none() && step.index_var.is_none() && !step.is_tuple && step.ancestor_label.is_none()
}

fn position(filter: &AstNode) -> Option<i64> {
    match filter {
        AstNode::Number(index) => short_whole(*index).ok(),
        AstNode::Unary { op: UnaryOp::Negate, operand } => match **operand {
            AstNode::Number(index) => short_whole(index).ok().map(|index| -index),
            _ => None,
        },
        _ => None,
    }
}

/// A picture of digits only, such as `[Y0001]-[M01]-[D01]`.
fn pieces(picture: &str) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut rest = picture;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('[') {
            let (component, after) = after.split_once(']')?;
            pieces.push(match component {
                "Y0001" => Piece::Year,
                "M01" => Piece::Month,
                "D01" => Piece::Day,
                "H01" => Piece::Hour,
                "m01" => Piece::Minute,
                "s01" => Piece::Second,
                _ => return None,
            });
            rest = after;
        } else {
            let (literal, after) = rest.split_at(rest.find('[').unwrap_or(rest.len()));
            if literal.contains(']') {
                return None;
            }
            pieces.push(Piece::Literal(literal.to_owned()));
            rest = after;
        }
    }
    Some(pieces)
}

fn operator(op: BinaryOp) -> Option<Operator> {
    Some(match op {
        BinaryOp::And => Operator::And,
        BinaryOp::Or => Operator::Or,
        BinaryOp::In => Operator::In,
        BinaryOp::Equal => Operator::Equal,
        BinaryOp::NotEqual => Operator::NotEqual,
        BinaryOp::LessThan => Operator::Less,
        BinaryOp::LessThanOrEqual => Operator::LessOrEqual,
        BinaryOp::GreaterThan => Operator::Greater,
        BinaryOp::GreaterThanOrEqual => Operator::GreaterOrEqual,
        BinaryOp::Add => Operator::Add,
        BinaryOp::Subtract => Operator::Subtract,
        BinaryOp::Multiply => Operator::Multiply,
        BinaryOp::Divide => Operator::Divide,
        _ => return None,
    })
}
