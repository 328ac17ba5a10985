//! The night's graph as inline SVG, once for wide screens and once for narrow ones. What it shows comes from the steps themselves, and so
//! from the definition that they ran by.

use std::fmt::Write;

use nightly_domain::night::{Step, StepState};
use nightly_pages::{Icon, written};

use crate::layout::{self, Drawing, Flow, Slot};
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

/// Both drawings; the page's style shows one of them.
pub(crate) fn draw(night: &NightRecord) -> String {
    let place = |name: &String| night.steps.iter().position(|step| step.node == *name);
    let after: Vec<Vec<usize>> = night
        .steps
        .iter()
        .enumerate()
        // A record that says otherwise is drawn without the line: nothing follows what comes later.
        .map(|(index, step)| step.after.iter().filter_map(place).filter(|before| *before < index).collect())
        .collect();
    [Flow::Across, Flow::Down].map(|flow| drawing(night, &layout::draw(&after, flow), flow)).concat()
}

fn drawing(night: &NightRecord, drawing: &Drawing, flow: Flow) -> String {
    let class = match flow {
        Flow::Across => "wide",
        Flow::Down => "tall",
    };
    let Drawing { width, height, slots, lines } = drawing;
    let label = escaped(&summary(night));
    let mut svg = format!(r#"<svg class="graph {class}" viewBox="0 0 {width} {height}" role="group" aria-label="{label}">"#);
    // What was not reached lies below what was: where lines run together, the night's way is seen.
    for reached in [false, true] {
        for line in lines.iter().filter(|line| line.to.iter().any(|step| night.steps[*step].state != StepState::NotReached) == reached) {
            let class = if reached { "edge" } else { "edge off" };
            write!(svg, r#"<path class="{class}" d="{}"/>"#, line.path).expect("text grows");
            if let Some(point) = &line.point {
                write!(svg, r#"<path class="{class} point" d="{point}"/>"#).expect("text grows");
            }
        }
    }
    for (step, slot) in night.steps.iter().zip(slots) {
        write_step(&mut svg, step, night, *slot, flow);
    }
    svg.push_str("</svg>\n");
    svg
}

/// The drawing in a few sentences.
fn summary(night: &NightRecord) -> String {
    let count = written::count(night.steps.len() as u64, "step", "steps");
    let mut sentences = vec![format!("{count} of the night of {}.", written::long_date(night.run_date.date()))];
    for words in ["succeeded", "failed", "rejected", "expired", "under way", "stopped", "not reached"] {
        let titles: Vec<_> = night.steps.iter().filter(|step| look(&step.state).words == words).map(|step| step.title.as_str()).collect();
        if titles.len() == night.steps.len() {
            sentences.push(format!("All {words}."));
        } else if !titles.is_empty() {
            sentences.push(format!("{}: {words}.", written::list(&titles)));
        }
    }
    let slow_ones: Vec<_> = night.steps.iter().filter(|step| night.is_slow(step)).map(|step| step.title.as_str()).collect();
    if !slow_ones.is_empty() {
        sentences.push(format!("{}: slow.", written::list(&slow_ones)));
    }
    sentences.join(" ")
}

fn write_step(svg: &mut String, step: &Step, night: &NightRecord, slot: Slot, flow: Flow) {
    let Slot { x, y, width, height } = slot;
    let Look { class, icon, words } = look(&step.state);
    let is_slow = night.is_slow(step);
    let took = step.took().map(written::duration);
    let what = match (&step.state, &took) {
        (StepState::Succeeded | StepState::Failed { .. }, Some(took)) if is_slow => format!("{took} ▲"),
        (StepState::Succeeded | StepState::Failed { .. }, Some(took)) => took.clone(),
        _ => words.to_owned(),
    };
    let mut title = format!("{}: {words}", step.title);
    if let Some(took) = &took {
        write!(title, ", {took}").expect("text grows");
    }
    if is_slow {
        title.push_str(", slow");
    }
    if step.tries > 1 {
        write!(title, ", {} tries", step.tries).expect("text grows");
    }
    let title = escaped(&title);
    let link = night.log_url().filter(|_| class == "bad");
    if let Some(url) = &link {
        write!(svg, r#"<a href="{}" aria-label="{title}: open the log">"#, escaped(url)).expect("text grows");
    }
    let emphasis = if is_slow { " slow" } else { "" };
    write!(svg, r#"<g class="{class}{emphasis}"><title>{title}</title><rect x="{x}" y="{y}" width="{width}" height="{height}" rx="9"/>"#)
        .expect("text grows");
    let sign = |svg: &mut String, x: i32, y: i32| {
        write!(svg, r##"<use href="#{}" class="{}" x="{x}" y="{y}" width="16" height="16"/>"##, icon.id(), icon.class())
            .expect("text grows");
    };
    let text = |svg: &mut String, x: i32, y: i32, text: &str| {
        write!(svg, r#"<text x="{x}" y="{y}">{}</text>"#, escaped(text)).expect("text grows");
    };
    match flow {
        Flow::Across => {
            let (first, second) = halves(&step.title, fitting(width - 20));
            sign(svg, x + 11, y + 10);
            write!(svg, r#"<text class="took" x="{}" y="{}">{what}</text>"#, x + 33, y + 22).expect("text grows");
            text(svg, x + 12, y + 43, &first);
            if !second.is_empty() {
                text(svg, x + 12, y + 59, &second);
            }
            if let Some(started_at) = step.started_at {
                let tries = if step.tries > 1 { format!(" · {} tries", step.tries) } else { String::new() };
                let (x, y) = (x + width / 2, y + height + 16);
                write!(svg, r#"<text class="time" x="{x}" y="{y}">{}{tries}</text>"#, written::clock(started_at)).expect("text grows");
            }
        }
        Flow::Down => {
            let tries = if step.tries > 1 { format!(" · {} tries", step.tries) } else { String::new() };
            sign(svg, x + 11, y + 30);
            text(svg, x + 12, y + 22, &written::shortened(&step.title, fitting(width - 20)));
            write!(svg, r#"<text class="took" x="{}" y="{}">{what}{tries}</text>"#, x + 34, y + 42).expect("text grows");
        }
    }
    svg.push_str("</g>");
    if link.is_some() {
        svg.push_str("</a>");
    }
}

/// How many characters of a title fit into so many pixels.
fn fitting(pixels: i32) -> usize {
    usize::try_from(pixels * 10 / 71).unwrap_or(0)
}

/// A title on two lines whose longer one is as short as can be, the rest cut off where even that is too long.
fn halves(title: &str, characters: usize) -> (String, String) {
    let breaks = title.match_indices(' ').map(|(place, _)| (title[..place].trim_end(), &title[place + 1..]));
    let longer = |(first, second): &(&str, &str)| first.chars().count().max(second.chars().count());
    let (first, second) = breaks.min_by_key(longer).unwrap_or((title, ""));
    (written::shortened(first, characters), written::shortened(second, characters))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use nightly_domain::history::read_json;
    use nightly_domain::night;
    use nightly_domain::plan::Plan;
    use serde_json::{Value, json};

    use super::*;

    const DEFINITION: &str = include_str!("../../../statemachine/nightly-warehouse.asl.json");

    /// The published night, as it had been drawn if the definition had been this one.
    fn drawn(definition: &str) -> String {
        let mut night: NightRecord = serde_json::from_str(include_str!("tests/record.json")).unwrap();
        let history = read_json(include_str!("../../domain/histories/published.json")).unwrap();
        night.steps = night::steps(&Plan::read(definition).unwrap(), &history);
        draw(&night)
    }

    fn changed(change: impl FnOnce(&mut Value)) -> String {
        let mut definition = serde_json::from_str(DEFINITION).unwrap();
        change(&mut definition);
        drawn(&definition.to_string())
    }

    #[test]
    fn the_drawing_follows_the_definition() {
        let before = drawn(DEFINITION);
        assert_eq!(before.matches("<rect").count(), 2 * 11);
        assert!(!before.contains("Mask"), "{before}");
        let after = changed(|definition| {
            let job = json!({"Type": "Task", "Resource": "arn:aws:states:::glue:startJobRun.sync", "Next": "ReadStagedTable"});
            definition["States"]["MaskPersonalData"] = job;
            definition["States"]["ApplyFx"]["Next"] = "MaskPersonalData".into();
        });
        assert_eq!(after.matches("<rect").count(), 2 * 12);
        assert!(after.contains("<title>Mask personal data: not reached</title>"), "{after}");
        assert!(
            after.starts_with(r#"<svg class="graph wide" viewBox="0 0 1121 201" role="group" aria-label="12 steps of the night"#),
            "{after}"
        );

        let branched = changed(|definition| {
            let job = json!({"Type": "Task", "Resource": "arn:aws:states:::glue:startJobRun.sync", "End": true});
            let branch = json!({"StartAt": "ExtractReturns", "States": {"ExtractReturns": job}});
            definition["States"]["BuildSources"]["Branches"].as_array_mut().unwrap().push(branch);
        });
        assert!(branched.contains("viewBox=\"0 0 1121 301\""), "three rows: {branched}");
        assert!(branched.contains("<title>Extract returns: not reached</title>"), "{branched}");

        let fewer = changed(|definition| {
            definition["States"]["BuildSources"]["Branches"].as_array_mut().unwrap().pop();
        });
        assert!(!fewer.contains("xtract inventory"), "{fewer}");
    }

    #[test]
    fn a_definition_that_is_not_ours_is_drawn() {
        let booking = drawn(include_str!("../../../examples/rehearsal/booking.asl.json"));
        assert_eq!(booking.matches("<rect").count(), 2 * 6);
        assert!(booking.contains("<title>Cancel flight: not reached</title>"), "{booking}");
    }

    #[test]
    fn titles_break_in_their_middle_and_are_cut_at_the_boxs_edge() {
        assert_eq!(halves("Publish to warehouse", 13), ("Publish to".to_owned(), "warehouse".to_owned()));
        assert_eq!(halves("Apply FX", 13), ("Apply".to_owned(), "FX".to_owned()));
        assert_eq!(halves("Normalise", 13), ("Normalise".to_owned(), String::new()));
        assert_eq!(halves("Depersonalisation of everything", 13), ("Depersonalis…".to_owned(), "of everything".to_owned()));
    }

    #[test]
    fn what_a_state_is_called_is_never_markup() {
        let odd = drawn(
            r#"{"StartAt": "a", "States": {"a": {"Type": "Task", "Comment": "[<b> & \"x\"]", "Resource": "arn:aws:states:::lambda:invoke", "End": true}}}"#,
        );
        assert!(odd.contains("<title>&lt;b> &amp; &quot;x&quot;: not reached</title>") && !odd.contains("<b>"), "{odd}");
    }
}
