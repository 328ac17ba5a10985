//! One night on a terminal, as the console of Step Functions shows an execution: its states, then its events.

use std::fmt::Write;

use console::{Alignment, StyledObject, pad_str, style};
use nightly_asl::{Detail, Event, Failure, Instant};
use nightly_pages::written;
use nightly_rehearsal::{End, Night, Visit};

use crate::report::text::took;
use crate::sums::{Tone, tone};

/// How wide the drawing of a state's time is.
const DRAWN: usize = 24;
/// Columns of the whole.
const WIDTH: usize = 100;

/// The whole night, lines end with a line feed.
pub fn replay(name: &str, night: &Night) -> String {
    let mut text = String::new();
    head(&mut text, name, night);
    states(&mut text, night);
    events(&mut text, night);
    happenings(&mut text, night);
    written::plain(&text)
}

fn head(text: &mut String, name: &str, night: &Night) {
    let outcome = night.outcome.name();
    let outcome = match tone(night) {
        Tone::Well => style(format!("✓ {outcome}")).green(),
        Tone::Deliberate => style(format!("! {outcome}")).yellow(),
        Tone::Badly => style(format!("✗ {outcome}")).red(),
    };
    let took = took(night.makespan_millis());
    line(text, &format!("\n{}  seed {}  {outcome}", style(name).bold(), night.seed));
    line(text, &format!("{} – {}, {took}; {}", night.started, night.ended, written::count(night.transitions, "transition", "transitions")));
    if let nightly_rehearsal::Outcome::Failed { cause, .. } = &night.outcome
        && !cause.is_empty()
    {
        wrapped(text, "", cause);
    }
    for violation in &night.violations {
        wrapped(text, "", &style(format!("✗ {}: {}", violation.invariant, violation.what)).red().to_string());
    }
}

fn states(text: &mut String, night: &Night) {
    line(
        text,
        &format!(
            "\n{}",
            style(format!("{:<34} {:<9} {:>9} {:>9} {:>5}  {}", "State", "Type", "After", "Took", "Tries", "Timeline")).bold()
        ),
    );
    for visit in &night.timeline {
        let indent = "  ".repeat(visit.depth.min(4));
        let (mark, note) = ending(visit);
        let name = pad_str(&format!("{indent}{}", visit.state), 32, Alignment::Left, Some("…")).into_owned();
        let tries = if visit.attempts == 0 { String::new() } else { visit.attempts.to_string() };
        let after = written::plain(&took(visit.entered.0 - night.started.0));
        let spent = visit.ended.0 - visit.entered.0;
        let spent = if spent == 0 && visit.kind != "Task" { String::new() } else { written::plain(&took(spent)) };
        line(text, &format!("{mark} {name} {:<9} {after:>9} {spent:>9} {tries:>5}  {}", visit.kind, drawn(night, visit)));
        for one in visit.tries.iter().filter(|one| one.error.is_some()) {
            let after = one.ended.map_or_else(String::new, |ended| took(ended.0 - one.started.0));
            let error = one.error.as_deref().unwrap_or_default();
            line(text, &format!("  {indent}  {}", style(format!("✗ {error} after {after}")).red()));
        }
        if let Some(note) = note {
            line(text, &format!("  {indent}  {note}"));
        }
    }
}

fn ending(visit: &Visit) -> (StyledObject<&'static str>, Option<StyledObject<String>>) {
    let has_told = visit.tries.last().is_some_and(|one| one.error.is_some());
    match &visit.end {
        End::Left => (style("✓").green(), None),
        End::Caught { error } => (style("!").yellow(), Some(style(format!("{error} was caught")).yellow())),
        End::Failed { error } => (style("✗").red(), (!has_told && !error.is_empty()).then(|| style(format!("✗ {error}")).red())),
        End::Stopped => (style("■").dim(), Some(style("stopped".to_owned()).dim())),
        End::Open => (style("…").yellow(), Some(style("waits for ever".to_owned()).yellow())),
    }
}

/// Where in the night the visit lies: `·` is the night, `█` a try, `░` a wait.
fn drawn(night: &Night, visit: &Visit) -> String {
    let whole = night.makespan_millis().max(1);
    let place = |at: Instant| {
        let at = (at.0 - night.started.0) * i64::try_from(DRAWN).expect("a few columns") / whole;
        usize::try_from(at).unwrap_or_default().min(DRAWN - 1)
    };
    let mut cells = vec!['·'; DRAWN];
    let mut fill = |from: Instant, to: Instant, cell: char| cells[place(from)..=place(to)].fill(cell);
    match visit.kind {
        "Task" => {
            fill(visit.entered, visit.ended, '░');
            for one in &visit.tries {
                let end = one.ended.unwrap_or(visit.ended);
                let called = if visit.waits_for_token { one.answered.unwrap_or(end) } else { end };
                fill(one.started, called, '█');
            }
        }
        "Wait" => fill(visit.entered, visit.ended, '░'),
        "Parallel" | "Map" => fill(visit.entered, visit.ended, '─'),
        _ => fill(visit.entered, visit.entered, '▪'),
    }
    cells.into_iter().collect()
}

fn events(text: &mut String, night: &Night) {
    line(text, &format!("\n{}", style(format!("{:>5} {:>5} {:>10}  {:<24} {}", "ID", "From", "After", "Event", "What")).bold()));
    for event in &night.events {
        let after = written::plain(&took(event.at.0 - night.started.0));
        let kind = pad_str(&event.kind(), 24, Alignment::Left, Some("…")).into_owned();
        let (what, is_bad) = told(event);
        let kind = if is_bad { style(kind).red() } else { style(kind) };
        let what = console::truncate_str(&what, WIDTH - 50, "…").into_owned();
        line(text, &format!("{:>5} {:>5} {after:>10}  {kind} {what}", event.id, event.previous));
    }
}

/// What an event is about in a few words, and whether something failed.
fn told(event: &Event) -> (String, bool) {
    let failure = |failure: &Failure| {
        let cause = failure.cause.as_deref().map(|cause| format!(": {}", written::one_line(cause))).unwrap_or_default();
        (format!("{}{cause}", failure.error.as_deref().unwrap_or_default()), true)
    };
    match &event.detail {
        Detail::StateEntered { name, .. } | Detail::StateExited { name, .. } => (name.to_string(), false),
        Detail::TaskScheduled { call, parameters, .. } => {
            (format!("{} {}", resource(&call.service, &call.action), parameters.text()), false)
        }
        Detail::TaskStarted { call } => (resource(&call.service, &call.action), false),
        Detail::TaskSubmitted { output, .. } | Detail::TaskSucceeded { output, .. } | Detail::ExecutionSucceeded { output } => {
            (output.text().to_owned(), false)
        }
        Detail::ExecutionStarted { input, .. } => (input.text().to_owned(), false),
        Detail::TaskFailed { failure: told, .. }
        | Detail::TaskTimedOut { failure: told, .. }
        | Detail::EvaluationFailed { failure: told, .. }
        | Detail::ExecutionFailed(told)
        | Detail::ExecutionTimedOut(told)
        | Detail::ExecutionAborted(told) => failure(told),
        Detail::MapIterationStarted { name, index } | Detail::MapIterationSucceeded { name, index } => {
            (format!("{name}, item {index}"), false)
        }
        Detail::MapIterationFailed { name, index } | Detail::MapIterationAborted { name, index } => (format!("{name}, item {index}"), true),
        Detail::StateStarted { length: Some(length), .. } => (written::count(*length as u64, "item", "items"), false),
        Detail::StateFailed { .. } | Detail::StateAborted { .. } => (String::new(), true),
        Detail::StateStarted { .. } | Detail::StateSucceeded { .. } => (String::new(), false),
        Detail::ExecutionRedriven { count } => (format!("redrive {count}"), false),
    }
}

fn resource(service: &str, action: &str) -> String {
    if service.is_empty() { action.to_owned() } else { format!("{service}:{action}") }
}

/// What was made to go wrong, and what happened outside of the execution.
fn happenings(text: &mut String, night: &Night) {
    if !night.faults.is_empty() {
        line(text, &format!("\n{}", style("Injected faults").bold()));
        for fault in &night.faults {
            let after = written::plain(&took(fault.at.0 - night.started.0));
            wrapped(text, &format!("{after:>10}  "), &format!("{}: {}", style(&fault.call).yellow(), fault.fault));
        }
    }
    if !night.story.is_empty() {
        line(text, &format!("\n{}", style("Outside the execution").bold()));
        for happening in &night.story {
            let after = written::plain(&took(happening.at.0 - night.started.0));
            wrapped(text, &format!("{after:>10}  "), &format!("{}: {}", happening.who, written::one_line(&happening.what)));
        }
    }
}

/// A line that may be longer than a terminal is wide: the rest stands below, indented.
fn wrapped(text: &mut String, begin: &str, rest: &str) {
    let indent = console::measure_text_width(begin);
    let mut row = begin.to_owned();
    for word in rest.split_whitespace() {
        let is_first = console::measure_text_width(&row) <= indent;
        if !is_first && console::measure_text_width(&row) + 1 + console::measure_text_width(word) > WIDTH {
            line(text, &row);
            row = " ".repeat(indent + 2);
            row.push_str(word);
            continue;
        }
        if !is_first {
            row.push(' ');
        }
        row.push_str(word);
    }
    line(text, &row);
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{}", line.trim_end()).expect("a string takes everything");
}
