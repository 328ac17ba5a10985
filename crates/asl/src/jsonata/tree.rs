//! The parts of an expression's syntax tree, for who looks for something in it wherever it is.

use jsonata_core::ast::{AstNode, Stage};

/// Calls `see` with each node, the parts before the whole, in the order of evaluation.
pub(super) fn each(node: &AstNode, see: &mut dyn FnMut(&AstNode)) {
    match node {
        AstNode::Path { steps } => {
            for step in steps {
                each(&step.node, see);
                for stage in &step.stages {
                    if let Stage::Filter(filter) = stage {
                        each(filter, see);
                    }
                }
            }
        }
        AstNode::Binary { lhs, rhs, .. } => [lhs, rhs].into_iter().for_each(|part| each(part, see)),
        AstNode::Unary { operand: part, .. } | AstNode::FunctionApplication(part) | AstNode::Lambda { body: part, .. } => each(part, see),
        AstNode::Function { args: parts, .. } | AstNode::Array(parts) | AstNode::ArrayGroup(parts) | AstNode::Block(parts) => {
            for part in parts {
                each(part, see);
            }
        }
        AstNode::Call { procedure, args } => {
            each(procedure, see);
            for part in args {
                each(part, see);
            }
        }
        AstNode::Object(pairs) => pairs.iter().flat_map(|(key, value)| [key, value]).for_each(|part| each(part, see)),
        AstNode::ObjectTransform { input, pattern } => {
            each(input, see);
            pattern.iter().flat_map(|(key, value)| [key, value]).for_each(|part| each(part, see));
        }
        AstNode::Conditional { condition, then_branch, else_branch } => {
            [Some(condition), Some(then_branch), else_branch.as_ref()].into_iter().flatten().for_each(|part| each(part, see));
        }
        AstNode::Sort { input, terms } => {
            each(input, see);
            for (term, _) in terms {
                each(term, see);
            }
        }
        AstNode::Transform { location, update, delete } => {
            [Some(location), Some(update), delete.as_ref()].into_iter().flatten().for_each(|part| each(part, see));
        }
        AstNode::String(_)
        | AstNode::Name(_)
        | AstNode::Number(_)
        | AstNode::Boolean(_)
        | AstNode::Null
        | AstNode::Undefined
        | AstNode::Placeholder
        | AstNode::Regex { .. }
        | AstNode::Variable(_)
        | AstNode::ParentVariable(_)
        | AstNode::Wildcard
        | AstNode::Descendant
        | AstNode::Parent(_) => {}
    }
    see(node);
}
