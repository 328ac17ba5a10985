//! Filters: `[?(@.status == 'open' && @.price > 3)]`.

use std::cmp::Ordering;

use serde_json::Value;

use super::{Step, select};
use crate::order;

#[derive(Debug, Clone)]
pub(super) enum Filter {
    Any(Vec<Filter>),
    All(Vec<Filter>),
    Not(Box<Filter>),
    /// Something stands there.
    Exists(Operand),
    Compare {
        left: Operand,
        relation: Relation,
        right: Operand,
    },
}

#[derive(Debug, Clone)]
pub(super) enum Operand {
    /// `@…`: from the node in question.
    Node(Vec<Step>),
    /// `$…`: from the top.
    Whole(Vec<Step>),
    Literal(Value),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Filter {
    /// `@` stands for objects only, never for anything else that an array holds («Using paths to access input for Step
    /// Functions workflows»).
    pub(super) fn accepts(&self, node: &Value, whole: &Value) -> bool {
        node.is_object() && self.holds(node, whole)
    }

    fn holds(&self, node: &Value, whole: &Value) -> bool {
        match self {
            Self::Any(filters) => filters.iter().any(|filter| filter.holds(node, whole)),
            Self::All(filters) => filters.iter().all(|filter| filter.holds(node, whole)),
            Self::Not(filter) => !filter.holds(node, whole),
            Self::Exists(operand) => operand.with(node, whole, |value| value.is_some()),
            Self::Compare { left, relation, right } => {
                left.with(node, whole, |left| right.with(node, whole, |right| relation.holds(left, right)))
            }
        }
    }
}

impl Operand {
    fn with<Answer>(&self, node: &Value, whole: &Value, ask: impl FnOnce(Option<&Value>) -> Answer) -> Answer {
        let (steps, from) = match self {
            Self::Node(steps) => (steps, node),
            Self::Whole(steps) => (steps, whole),
            Self::Literal(value) => return ask(Some(value)),
        };
        match select::select(steps, from) {
            Ok(found) => ask(Some(&found.into_value())),
            Err(_) => ask(None),
        }
    }
}

impl Relation {
    /// Values of different types are unequal and in no order.
    fn holds(self, left: Option<&Value>, right: Option<&Value>) -> bool {
        let order = match (left, right) {
            (Some(Value::Number(left)), Some(Value::Number(right))) => order::numbers(left, right),
            (Some(Value::String(left)), Some(Value::String(right))) => Some(order::texts(left, right)),
            (left, right) => (left == right).then_some(Ordering::Equal),
        };
        match self {
            Self::Equal => order == Some(Ordering::Equal),
            Self::Unequal => order != Some(Ordering::Equal),
            Self::Less => order == Some(Ordering::Less),
            Self::LessOrEqual => order.is_some_and(Ordering::is_le),
            Self::Greater => order == Some(Ordering::Greater),
            Self::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
        }
    }
}
