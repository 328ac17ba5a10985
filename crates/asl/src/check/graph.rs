//! Whether every state can be reached, every transition leads somewhere and every way can end.

use super::workflow::Workflow;
use super::{Findings, Severity, fields};

pub(super) fn check(machine: &Workflow, findings: &mut Findings) {
    if machine.states.is_empty() {
        return;
    }
    targets(machine, findings);
    // Without any end AWS says only that, and nothing of what can't be reached.
    if machine.states.iter().any(|state| state.ends) {
        unreachable(machine, findings);
        endless(machine, findings);
    } else {
        let hint = "Give the last state \"End\": true, or let a Choice lead out to a Succeed or Fail state.";
        findings.add(Severity::Error, "MISSING_END_STATE", "", "Workflow has no terminal state", hint);
    }
    inner(machine, findings);
}

fn inner(workflow: &Workflow, findings: &mut Findings) {
    for inside in workflow.states.iter().flat_map(|state| &state.inner) {
        unreachable(inside, findings);
        endless(inside, findings);
        inner(inside, findings);
    }
}

/// Transitions to nowhere, in the order of the states.
fn targets(workflow: &Workflow, findings: &mut Findings) {
    let names = || workflow.states.iter().map(|state| state.name.as_str());
    let missing = |target: &str, location: &str, findings: &mut Findings| {
        let hint = match fields::nearest(target, names()) {
            Some(near) => format!("Did you mean {near}?"),
            None => "Name a state of the same States: nothing leads into a branch or out of it.".to_owned(),
        };
        findings.add(Severity::Error, "MISSING_TRANSITION_TARGET", location, format!("Missing 'Next' target: {target}"), hint);
    };
    for state in &workflow.states {
        for transition in state.transitions.iter().filter(|transition| workflow.index(&transition.to).is_none()) {
            missing(&transition.to, &transition.location, findings);
        }
        for inside in &state.inner {
            targets(inside, findings);
        }
    }
    if let Some(start) = workflow.start.as_deref().filter(|start| workflow.index(start).is_none()) {
        missing(start, &format!("{}/StartAt", workflow.location), findings);
    }
}

fn unreachable(workflow: &Workflow, findings: &mut Findings) {
    // Without StartAt nothing begins, and that has been said.
    if workflow.start.is_none() {
        return;
    }
    for (state, reached) in workflow.states.iter().zip(workflow.reached()) {
        if !reached {
            let message = format!("State \"{}\" is not reachable.", state.name);
            let hint = "Lead to it with a Next, a Default or a Catch, or take it out.";
            findings.add(Severity::Error, "MISSING_TRANSITION_TARGET", &state.location, message, hint);
        }
    }
}

/// States from which no way leads to an end: whoever gets there goes round until the history is full.
fn endless(workflow: &Workflow, findings: &mut Findings) {
    // A state that names no next one is wrong, and that has been said; it isn't a loop.
    let mut ending: Vec<bool> = workflow.states.iter().map(|state| state.ends || state.transitions.is_empty()).collect();
    let leads_on = |ending: &[bool], index: usize| {
        workflow.states[index].transitions.iter().any(|transition| workflow.index(&transition.to).is_none_or(|next| ending[next]))
    };
    while let Some(index) = (0..ending.len()).find(|index| !ending[*index] && leads_on(&ending, *index)) {
        ending[index] = true;
    }
    let reached = workflow.reached();
    let caught: Vec<&str> = workflow
        .states
        .iter()
        .enumerate()
        .filter(|(index, _)| reached[*index] && !ending[*index])
        .map(|(_, state)| state.name.as_str())
        .collect();
    let Some(first) = caught.first().and_then(|name| workflow.index(name)) else { return };
    let message = format!("There is no way to an end from here: {} go round for ever", caught.join(", "));
    let hint = "Let a Choice leave the loop, with a number of rounds or an instant after which it gives up.";
    findings.add(Severity::Warning, "ENDLESS_LOOP", &workflow.states[first].location, message, hint);
}
