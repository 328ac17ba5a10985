//! The skeleton of a definition: what leads where, and what is read and assigned on the way.

/// The machine itself, a branch of a Parallel, or what a Map does with an item.
pub(super) struct Workflow {
    /// Where it is; empty for the machine.
    pub(super) location: String,
    pub(super) start: Option<String>,
    pub(super) states: Vec<State>,
}

pub(super) struct State {
    pub(super) name: String,
    pub(super) location: String,
    /// The variables that it reads; all of them as they are when it is entered.
    pub(super) reads: Vec<Read>,
    pub(super) transitions: Vec<Transition>,
    /// Everything that it assigns on any way out, the end included.
    pub(super) assigns: Vec<String>,
    /// Whether the workflow can end here.
    pub(super) ends: bool,
    pub(super) inner: Vec<Workflow>,
    pub(super) sight: Sight,
}

/// Which variables the workflows inside a state see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sight {
    /// Those of the workflow around them.
    Outer,
    /// Only their own: the items of a distributed Map are executions of their own.
    Own,
}

/// A way out of a state.
pub(super) struct Transition {
    pub(super) to: String,
    /// The field that names the next state.
    pub(super) location: String,
    pub(super) assigns: Vec<String>,
}

/// A variable that is read.
pub(super) struct Read {
    pub(super) name: String,
    pub(super) location: String,
    /// Whether the expression only asks with `$exists` whether it is there.
    pub(super) asked_for: bool,
}

impl Workflow {
    pub(super) fn index(&self, name: &str) -> Option<usize> {
        self.states.iter().position(|state| state.name == name)
    }

    /// For each state, whether it can be reached from the start.
    pub(super) fn reached(&self) -> Vec<bool> {
        let mut reached = vec![false; self.states.len()];
        let mut next: Vec<usize> = self.start.as_deref().and_then(|start| self.index(start)).into_iter().collect();
        while let Some(index) = next.pop() {
            if !std::mem::replace(&mut reached[index], true) {
                next.extend(self.states[index].transitions.iter().filter_map(|transition| self.index(&transition.to)));
            }
        }
        reached
    }
}
