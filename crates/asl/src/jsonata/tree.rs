//! The parts of an expression's syntax tree, for who looks for something in it wherever it is.

use jsonata_core::ast::{AstNode, Stage};

/// Calls `see` with each node, the parts before the whole, in the order of evaluation.
pub(super) fn each(node: &AstNode, see: &mut dyn FnMut(&AstNode)) {
    for part in parts(node) {
        each(part, see);
    }
    see(node);
}

/// How many nodes are inside each other.
pub(super) fn depth(node: &AstNode) -> usize {
    1 + parts(node).into_iter().map(depth).max().unwrap_or(0)
}

fn parts(node: &AstNode) -> Vec<&AstNode> {
    match node {
        AstNode::Path { steps } => {
            let mut parts = Vec::new();
            for step in steps {
                parts.push(&step.node);
                parts.extend(step.stages.iter().filter_map(|stage| match stage {
                    Stage::Filter(filter) => Some(&**filter),
                    _ => None,
                }));
            }
            parts
        }
        AstNode::Binary { lhs, rhs, .. } => vec![lhs, rhs],
        AstNode::Unary { operand: part, .. } | AstNode::FunctionApplication(part) | AstNode::Lambda { body: part, .. } => vec![part],
        AstNode::Function { args: parts, .. } | AstNode::Array(parts) | AstNode::ArrayGroup(parts) | AstNode::Block(parts) => {
            parts.iter().collect()
        }
        AstNode::Call { procedure, args } => std::iter::once(&**procedure).chain(args).collect(),
        AstNode::Object(pairs) => pairs.iter().flat_map(|(key, value)| [key, value]).collect(),
        AstNode::ObjectTransform { input, pattern } => {
            std::iter::once(&**input).chain(pattern.iter().flat_map(|(key, value)| [key, value])).collect()
        }
        AstNode::Conditional { condition, then_branch, else_branch } => {
            [condition, then_branch].into_iter().chain(else_branch).map(|part| &**part).collect()
        }
        AstNode::Sort { input, terms } => std::iter::once(&**input).chain(terms.iter().map(|(term, _)| term)).collect(),
        AstNode::Transform { location, update, delete } => [location, update].into_iter().chain(delete).map(|part| &**part).collect(),
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
        | AstNode::Parent(_) => Vec::new(),
    }
}
