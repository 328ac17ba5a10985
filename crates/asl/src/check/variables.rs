//! Whether a variable that is read can have been assigned by then, on the way that an execution takes.

use std::collections::{BTreeMap, BTreeSet};

use super::workflow::{Sight, State, Workflow};
use super::{Findings, Severity, fields};

/// Follows every way through the machine.
pub(super) fn check(machine: &Workflow, findings: &mut Findings) {
    let mut assigned = BTreeMap::new();
    note_assignments(machine, &mut assigned);
    let mut follower = Follower { assigned, findings };
    follower.workflow(machine, &Known::default());
}

/// The variables that may be there, and those that surely are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Known {
    maybe: BTreeSet<String>,
    surely: BTreeSet<String>,
}

impl Known {
    fn after(&self, assigns: &[String]) -> Self {
        let mut after = self.clone();
        after.maybe.extend(assigns.iter().cloned());
        after.surely.extend(assigns.iter().cloned());
        after
    }

    /// What is known where two ways meet.
    fn meet(&mut self, other: &Self) {
        self.maybe.extend(other.maybe.iter().cloned());
        self.surely.retain(|name| other.surely.contains(name));
    }
}

/// The states that assign each variable, wherever they are.
fn note_assignments(workflow: &Workflow, assigned: &mut BTreeMap<String, Vec<String>>) {
    for state in &workflow.states {
        for name in &state.assigns {
            let places = assigned.entry(name.clone()).or_default();
            if !places.contains(&state.name) {
                places.push(state.name.clone());
            }
        }
        for inside in &state.inner {
            note_assignments(inside, assigned);
        }
    }
}

struct Follower<'a> {
    assigned: BTreeMap<String, Vec<String>>,
    findings: &'a mut Findings,
}

impl Follower<'_> {
    fn workflow(&mut self, workflow: &Workflow, outer: &Known) {
        for (state, known) in workflow.states.iter().zip(entered_with(workflow, outer)) {
            // Nobody gets to a state that nothing leads to.
            let Some(known) = known else { continue };
            self.reads(state, &known);
            self.shadows(state, outer);
            let inside = match state.sight {
                Sight::Outer => known,
                Sight::Own => Known::default(),
            };
            for inner in &state.inner {
                self.workflow(inner, &inside);
            }
        }
    }

    fn reads(&mut self, state: &State, known: &Known) {
        let mut told = BTreeSet::new();
        for read in &state.reads {
            if known.surely.contains(&read.name) || read.asked_for || !told.insert(&read.name) {
                continue;
            }
            let name = &read.name;
            let places = self.assigned.get(name).map(Vec::as_slice).unwrap_or_default();
            if known.maybe.contains(name) {
                let message = format!("The variable ${name} is not assigned on every way to here");
                let hint = format!("It is assigned in {}. Assign it before the ways part, or ask with $exists.", places.join(", "));
                self.findings.add(Severity::Warning, "MAYBE_UNASSIGNED_VARIABLE", &read.location, message, hint);
                continue;
            }
            let message = format!("The variable ${name} is not assigned on any way to here");
            let hint = if places.is_empty() {
                match fields::nearest(name, known.maybe.iter().chain(self.assigned.keys()).map(String::as_str)) {
                    Some(near) => format!("Did you mean ${near}?"),
                    None => "Assign it in a state that comes before, or take the value from the input.".to_owned(),
                }
            } else if places.contains(&state.name) {
                "A state's Assign counts from the next state on: everything in a state sees the variables as they were before.".to_owned()
            } else {
                format!(
                    "It is assigned in {}, which does not come before, or lies in a branch: what a branch assigns ends with it.",
                    places.join(", ")
                )
            };
            self.findings.add(Severity::Fault, "UNASSIGNED_VARIABLE", &read.location, message, hint);
        }
    }

    /// <https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html>: an inner scope reads the variables around it
    /// and can't assign them.
    fn shadows(&mut self, state: &State, outer: &Known) {
        let names: BTreeSet<&String> = state.assigns.iter().collect();
        for name in names.into_iter().filter(|name| outer.maybe.contains(*name)) {
            let message = format!("${name} belongs to the states around this branch, and a branch can't assign it");
            let hint = "Give the branch's variable a name of its own, and hand the value out with its output.";
            self.findings.add(Severity::Fault, "OUTER_VARIABLE", &state.location, message, hint);
        }
    }
}

/// What is known where each state is entered; nothing for a state that can't be reached.
fn entered_with(workflow: &Workflow, outer: &Known) -> Vec<Option<Known>> {
    let mut entered: Vec<Option<Known>> = vec![None; workflow.states.len()];
    let Some(start) = workflow.start.as_deref().and_then(|start| workflow.index(start)) else { return entered };
    entered[start] = Some(outer.clone());
    let mut next = vec![start];
    while let Some(index) = next.pop() {
        let known = entered[index].clone().expect("only states that were reached are looked at");
        let reads = workflow.states[index].reads.iter().filter(|read| !read.asked_for && known.maybe.contains(&read.name));
        let relied_on: Vec<String> = reads.map(|read| read.name.clone()).collect();
        for transition in &workflow.states[index].transitions {
            let Some(target) = workflow.index(&transition.to) else { continue };
            let mut after = known.after(&transition.assigns);
            // Whoever comes through a state that relies on a variable has it.
            after.surely.extend(relied_on.clone());
            let before = entered[target].clone();
            match &mut entered[target] {
                Some(there) => there.meet(&after),
                there => *there = Some(after),
            }
            if entered[target] != before {
                next.push(target);
            }
        }
    }
    entered
}
