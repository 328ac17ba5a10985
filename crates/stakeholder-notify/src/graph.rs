//! The night's graph as inline SVG, once for wide screens and once for narrow ones. Coordinates are pixels of the drawing.

use std::fmt::Write;

use nightly_domain::night::{Node, Step, StepState};
use nightly_pages::{Icon, written};

use crate::record::NightRecord;

/// How the state of a step looks: a class, a sign, and words where it has no duration of its own to show.
pub(crate) struct Look {
    pub(crate) class: &'static str,
    pub(crate) icon: Icon,
    pub(crate) words: &'static str,
}

pub(crate) fn look(state: &StepState) -> Look {
    let (class, icon, words) = match state {
        StepState::NotReached => ("idle", Icon::Idle, "not reached"),
        StepState::Running => ("wait", Icon::Wait, "under way"),
        StepState::Succeeded => ("ok", Icon::Ok, "succeeded"),
        StepState::Failed { .. } => ("bad", Icon::Bad, "failed"),
        StepState::Rejected => ("wait", Icon::Note, "rejected"),
        StepState::Expired => ("wait", Icon::Note, "expired"),
        StepState::Stopped => ("idle", Icon::Idle, "stopped"),
    };
    Look { class, icon, words }
}

/// Which way the night runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Across,
    Down,
}

/// A box, by its upper left corner.
struct Slot {
    x: i32,
    y: i32,
    width: i32,
    height: i32,
}

/// Both drawings; the page's style shows one of them.
pub(crate) fn draw(night: &NightRecord) -> String {
    drawing(night, Flow::Across) + &drawing(night, Flow::Down)
}

fn drawing(night: &NightRecord, flow: Flow) -> String {
    let (class, width, height) = match flow {
        Flow::Across => ("wide", 1121, 292),
        Flow::Down => ("tall", 329, 644),
    };
    let label = summary(night);
    let mut svg = format!(r#"<svg class="graph {class}" viewBox="0 0 {width} {height}" role="group" aria-label="{label}">"#);
    for step in &night.steps {
        for (position, earlier) in step.node.waits_for().iter().enumerate() {
            let reached = step.state != StepState::NotReached;
            write_edge(&mut svg, *earlier, step.node, position, reached, flow);
        }
    }
    for step in &night.steps {
        write_node(&mut svg, step, night, flow);
    }
    svg.push_str("</svg>\n");
    svg
}

/// The drawing in a sentence.
fn summary(night: &NightRecord) -> String {
    let mut sentences = vec![format!("Eleven steps of the night of {}.", written::long_date(night.run_date.date()))];
    for words in ["succeeded", "failed", "rejected", "expired", "under way", "stopped", "not reached"] {
        let titles: Vec<_> = night.steps.iter().filter(|step| look(&step.state).words == words).map(|step| step.node.title()).collect();
        if titles.len() == night.steps.len() {
            sentences.push(format!("All {words}."));
        } else if !titles.is_empty() {
            sentences.push(format!("{}: {words}.", written::list(&titles)));
        }
    }
    sentences.join(" ")
}

fn slot(node: Node, flow: Flow) -> Slot {
    match flow {
        Flow::Across => {
            let (column, row) = match node {
                Node::ExtractOrders => (0, 1),
                Node::ExtractInventory => (0, 2),
                Node::TransformOrders => (1, 1),
                Node::TransformInventory => (1, 2),
                Node::EnrichCurrency => (2, 0),
                Node::JoinFactDim => (2, 1),
                Node::ApplyFx => (3, 1),
                Node::DataQualityGate => (4, 1),
                Node::ManualApproval => (5, 1),
                Node::PublishToWarehouse => (6, 1),
                Node::NotifyStakeholders => (7, 1),
            };
            Slot { x: 1 + 143 * column, y: 1 + 100 * row, width: 118, height: 70 }
        }
        Flow::Down => {
            let (x, row, width) = match node {
                Node::ExtractOrders => (1, 0, 160),
                Node::ExtractInventory => (168, 0, 160),
                Node::TransformOrders => (1, 1, 160),
                Node::TransformInventory => (168, 1, 160),
                Node::EnrichCurrency => (1, 2, 160),
                Node::JoinFactDim => (168, 2, 160),
                Node::ApplyFx => (79, 3, 172),
                Node::DataQualityGate => (79, 4, 172),
                Node::ManualApproval => (79, 5, 172),
                Node::PublishToWarehouse => (79, 6, 172),
                Node::NotifyStakeholders => (79, 7, 172),
            };
            Slot { x, y: 1 + 84 * row, width, height: 54 }
        }
    }
}

/// A line to the `position`-th entrance of a node, with its point drawn rather than marked: a marker is shared by id, and two drawings
/// would share it.
fn write_edge(svg: &mut String, from: Node, to: Node, position: usize, reached: bool, flow: Flow) {
    let (start, end) = (slot(from, flow), slot(to, flow));
    let class = if reached { "edge" } else { "edge off" };
    let (line, point) = match flow {
        Flow::Across => {
            let (x1, y1) = (start.x + start.width, start.y + start.height / 2);
            let (x2, y2) = (end.x - 5, end.y + end.height / 2);
            let line = if y1 == y2 {
                format!("M{x1} {y1}H{x2}")
            } else {
                format!("M{x1} {y1}C{0} {y1} {0} {y2} {x2} {y2}", i32::midpoint(x1, x2))
            };
            (line, format!("M{x2} {}l4.5 3-4.5 3z", y2 - 3))
        }
        Flow::Down => {
            let entrances = i32::try_from(to.waits_for().len()).unwrap_or(1);
            let offset = 20 * i32::try_from(position).unwrap_or(0) - 10 * (entrances - 1);
            let (x1, y1) = (start.x + start.width / 2, start.y + start.height);
            let (x2, y2) = (end.x + end.width / 2 + offset, end.y - 5);
            let line = if x1 == x2 {
                format!("M{x1} {y1}V{y2}")
            } else {
                format!("M{x1} {y1}C{x1} {0} {x2} {0} {x2} {y2}", i32::midpoint(y1, y2))
            };
            (line, format!("M{} {y2}l3 4.5 3-4.5z", x2 - 3))
        }
    };
    write!(svg, r#"<path class="{class}" d="{line}"/><path class="{class} point" d="{point}"/>"#).expect("text grows");
}

fn write_node(svg: &mut String, step: &Step, night: &NightRecord, flow: Flow) {
    let Slot { x, y, width, height } = slot(step.node, flow);
    let Look { class, icon, words } = look(&step.state);
    let took = took(step);
    let what = match (&step.state, &took) {
        (StepState::Succeeded | StepState::Failed { .. }, Some(took)) => took.as_str(),
        _ => words,
    };
    let tries = if step.tries > 1 { format!(", {} tries", step.tries) } else { String::new() };
    let title = match &took {
        Some(took) => format!("{}: {words}, {took}{tries}", step.node.name()),
        None => format!("{}: {words}{tries}", step.node.name()),
    };
    let link = night.log_url().filter(|_| class == "bad");
    if let Some(url) = &link {
        write!(svg, r#"<a href="{}" aria-label="{title}: open the log">"#, escaped(url)).expect("text grows");
    }
    write!(svg, r#"<g class="{class}"><title>{title}</title><rect x="{x}" y="{y}" width="{width}" height="{height}" rx="9"/>"#)
        .expect("text grows");
    let sign = |svg: &mut String, x: i32, y: i32| {
        write!(svg, r##"<use href="#{}" class="{}" x="{x}" y="{y}" width="16" height="16"/>"##, icon.id(), icon.class())
            .expect("text grows");
    };
    match flow {
        Flow::Across => {
            let (first, second) = step.node.title_halves();
            sign(svg, x + 11, y + 10);
            write!(svg, r#"<text class="took" x="{}" y="{}">{what}</text>"#, x + 33, y + 22).expect("text grows");
            write!(svg, r#"<text x="{0}" y="{1}">{first}</text><text x="{0}" y="{2}">{second}</text>"#, x + 12, y + 43, y + 59)
                .expect("text grows");
            if let Some(started_at) = step.started_at {
                let tries = if step.tries > 1 { format!(" · {} tries", step.tries) } else { String::new() };
                let (x, y) = (x + width / 2, y + height + 16);
                write!(svg, r#"<text class="time" x="{x}" y="{y}">{}{tries}</text>"#, written::clock(started_at)).expect("text grows");
            }
        }
        Flow::Down => {
            let tries = if step.tries > 1 { format!(" · {} tries", step.tries) } else { String::new() };
            sign(svg, x + 11, y + 30);
            write!(svg, r#"<text x="{}" y="{}">{}</text>"#, x + 12, y + 22, step.node.title()).expect("text grows");
            write!(svg, r#"<text class="took" x="{}" y="{}">{what}{tries}</text>"#, x + 34, y + 42).expect("text grows");
        }
    }
    svg.push_str("</g>");
    if link.is_some() {
        svg.push_str("</a>");
    }
}

/// How long a step took, once it has ended.
pub(crate) fn took(step: &Step) -> Option<String> {
    Some(written::duration(step.ended_at?.duration_since(step.started_at?)))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;")
}
