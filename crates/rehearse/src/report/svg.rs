//! Drawings: widths are shares of the page's width, so that a phone draws what a wide screen draws, with letters of the same size.

use std::fmt::Write;

use nightly_asl::Instant;
use nightly_pages::Icon;
use nightly_pages::written;
use nightly_rehearsal::{End, Night, Try, Visit};

use super::axis::{Axis, tick};
use super::text::took;
use crate::histogram::Histogram;

/// One colour of a histogram: its class and what is counted in it.
pub type Layer<'a> = (&'static str, &'a Histogram);

/// A histogram of durations, its layers upon each other, quantiles marked by lines.
pub struct Distribution<'a> {
    /// Its title, for ears.
    pub title: &'a str,
    /// Whose durations: `nights`.
    pub what: &'a str,
    /// From the bottom upwards.
    pub layers: &'a [Layer<'a>],
    /// All layers together.
    pub whole: &'a Histogram,
}

/// How many in a thousand stay below each line, and what the line is called.
pub const QUANTILES: [(u64, &str); 4] = [(50, "5 %"), (500, "half"), (950, "95 %"), (990, "99 %")];

const COLUMNS: usize = 64;
/// Heights, in pixels: a line for each quantile's label, the columns, the axis below.
const LABELS: f64 = 76.0;
const PLOT: f64 = 150.0;
const BASE: f64 = LABELS + PLOT;

impl Distribution<'_> {
    /// What lies beyond 99.5 % is told and not drawn.
    fn axis(&self) -> Axis {
        Axis::of(self.whole)
    }

    /// The drawing.
    #[expect(clippy::cast_precision_loss, reason = "a drawing")]
    pub fn svg(&self, id: &str) -> String {
        let axis = self.axis();
        let edges: Vec<_> = (0..=COLUMNS).map(|edge| axis.at(edge as f64 * 100.0 / COLUMNS as f64)).collect();
        let layers: Vec<_> = self.layers.iter().map(|(class, histogram)| (class, histogram.columns(&edges))).collect();
        let height_of = |column: usize| layers.iter().map(|(_, columns)| columns[column]).sum::<f64>();
        let highest = (0..COLUMNS).map(height_of).fold(1e-9, f64::max);
        let mut svg = format!(
            r#"<svg class="hist" width="100%" height="{}" role="img" aria-labelledby="{id}-title {id}-desc"><title id="{id}-title">{}</title><desc id="{id}-desc">{}</desc>"#,
            BASE + 24.0,
            self.title,
            self.description()
        );
        for millis in &axis.ticks {
            let x = axis.percent(*millis);
            let anchor = anchor(x);
            put(&mut svg, format_args!(r#"<line class="grid" x1="{x:.2}%" x2="{x:.2}%" y1="{LABELS}" y2="{BASE}"/>"#));
            put(
                &mut svg,
                format_args!(r#"<text class="tick" x="{x:.2}%" y="{}" text-anchor="{anchor}">{}</text>"#, BASE + 18.0, tick(*millis)),
            );
        }
        for (class, columns) in &layers {
            put(&mut svg, format_args!(r#"<g class="{class}">"#));
            for (column, count) in columns.iter().enumerate().filter(|(_, count)| **count > 0.0) {
                let below: f64 = layers.iter().take_while(|(other, _)| other != class).map(|(_, columns)| columns[column]).sum();
                let (height, foot) = ((count / highest * PLOT).max(1.0), below / highest * PLOT);
                let (x, wide) = (column as f64 / COLUMNS as f64 * 100.0, 100.0 / COLUMNS as f64 * 0.86);
                let y = BASE - foot - height;
                put(&mut svg, format_args!(r#"<rect x="{x:.2}%" y="{y:.1}" width="{wide:.2}%" height="{height:.1}"/>"#));
            }
            svg.push_str("</g>");
        }
        put(&mut svg, format_args!(r#"<line class="axis" x1="0" x2="100%" y1="{BASE}" y2="{BASE}"/>"#));
        for (index, (per_mille, name)) in QUANTILES.iter().enumerate() {
            let millis = self.whole.quantile(*per_mille);
            let x = axis.percent(millis).clamp(0.0, 100.0);
            let (anchor, side) = if x > 55.0 { ("end", -6) } else { ("start", 6) };
            let y = 14.0 + 18.0 * index as f64;
            put(&mut svg, format_args!(r#"<g class="quantile"><line x1="{x:.2}%" x2="{x:.2}%" y1="{:.0}" y2="{BASE}"/>"#, y - 10.0));
            put(
                &mut svg,
                format_args!(
                    r#"<text x="{x:.2}%" y="{y:.0}" dx="{side}" text-anchor="{anchor}"><tspan class="which">{name}</tspan> {}</text></g>"#,
                    took(millis)
                ),
            );
        }
        svg.push_str("</svg>");
        svg
    }

    fn description(&self) -> String {
        let count = written::integer(self.whole.count());
        let quantiles: Vec<_> =
            QUANTILES.iter().map(|(per_mille, name)| format!("{name} within {}", took(self.whole.quantile(*per_mille)))).collect();
        format!(
            "{count} {}: {}. The shortest took {}, the longest {}.",
            self.what,
            written::list(&quantiles),
            took(self.whole.least()),
            took(self.whole.most())
        )
    }

    /// What must be known to read the drawing, in sentences.
    pub fn notes(&self) -> Vec<String> {
        let axis = self.axis();
        let most = self.whole.most();
        let mut notes = Vec::new();
        if axis.is_logarithmic() {
            notes.push("The axis is logarithmic: a column further right stands for a longer span.".to_owned());
        }
        if most > axis.to() {
            notes.push(format!("Up to one in 200 took longer than {}; the longest {}.", tick(axis.to()), took(most)));
        }
        notes
    }
}

/// A timeline of one night: a line for each state, all from the night's first moment to its last.
pub struct Timeline {
    axis: Axis,
    origin: i64,
}

const LINE: f64 = 26.0;

impl Timeline {
    /// Of a whole night.
    pub fn of(night: &Night) -> Self {
        let since = |at: Instant| at.0 - night.started.0;
        let busy = |visit: &Visit| match visit.kind {
            "Task" => visit.tries.iter().map(|one| (since(one.started), since(one.ended.unwrap_or(visit.ended)))).collect(),
            "Parallel" | "Map" => Vec::new(),
            _ => vec![(since(visit.entered), since(visit.ended))],
        };
        let axis = Axis::of_busy(night.makespan_millis(), night.timeline.iter().flat_map(busy).collect());
        Self { axis, origin: night.started.0 }
    }

    /// The marks above the lines.
    pub fn ruler(&self) -> String {
        let mut svg = r#"<svg class="line" width="100%" height="20" aria-hidden="true">"#.to_owned();
        let mut free_from = f64::MIN;
        for millis in &self.axis.ticks {
            let x = self.axis.percent(*millis);
            // Two marks that what was left out brings together would cover each other.
            if x - free_from < 8.0 {
                continue;
            }
            free_from = x;
            let (class, anchor) = (if (4.0..=96.0).contains(&x) { "tick inner" } else { "tick" }, anchor(x));
            put(&mut svg, format_args!(r#"<text class="{class}" x="{x:.2}%" y="14" text-anchor="{anchor}">{}</text>"#, tick(*millis)));
        }
        svg.push_str("</svg>");
        svg
    }

    /// Whether there are stretches in which nothing happened.
    pub fn leaves_out(&self) -> bool {
        self.axis.left_out().next().is_some()
    }

    /// One state's line: its entries with their tries, and the instants of faults.
    pub fn line(&self, visits: &[&Visit], faults: &[i64]) -> String {
        let mut svg = format!(r#"<svg class="line" width="100%" height="{LINE}" aria-hidden="true">"#);
        for millis in &self.axis.ticks {
            let x = self.axis.percent(*millis);
            put(&mut svg, format_args!(r#"<line class="grid" x1="{x:.2}%" x2="{x:.2}%" y1="0" y2="{LINE}"/>"#));
        }
        for (from, to) in self.axis.left_out() {
            let (x, width) = (self.axis.percent(from), self.axis.percent(to) - self.axis.percent(from));
            put(&mut svg, format_args!(r#"<rect class="left-out" x="{x:.2}%" y="0" width="{width:.2}%" height="{LINE}"/>"#));
        }
        for visit in visits {
            self.visit(&mut svg, visit);
        }
        for fault in faults {
            let (x, icon) = (self.x(*fault), Icon::Note);
            put(
                &mut svg,
                format_args!(
                    r##"<use class="{}" href="#{}" x="{x:.2}%" y="0" width="10" height="10" transform="translate(-5 0)"/>"##,
                    icon.class(),
                    icon.id()
                ),
            );
        }
        svg.push_str("</svg>");
        svg
    }

    fn visit(&self, svg: &mut String, visit: &Visit) {
        let (from, to) = (visit.entered.0, visit.ended.0);
        match visit.kind {
            "Task" => {
                // What shows between two tries is the back-off.
                if visit.attempts > 1 {
                    self.bar(svg, "pause", (from, to), (15.0, 2.0));
                }
                for one in &visit.tries {
                    self.one_try(svg, visit, one);
                }
            }
            "Parallel" | "Map" => self.bar(svg, "around", (from, to), (14.0, 4.0)),
            "Wait" => self.bar(svg, "people", (from, to), (14.0, 4.0)),
            kind => {
                let class = if kind == "Fail" || visit.end.error().is_some() { "bad" } else { "ok" };
                put(svg, format_args!(r#"<circle class="{class}" cx="{:.2}%" cy="16" r="3.5"/>"#, self.x(from)));
            }
        }
    }

    fn one_try(&self, svg: &mut String, visit: &Visit, one: &Try) {
        let end = one.ended.map_or(visit.ended.0, |at| at.0);
        let class = match (&one.error, &visit.end) {
            (Some(_), _) => "bad",
            (None, End::Stopped | End::Open) => "stopped",
            _ => "ok",
        };
        let called = if visit.waits_for_token { one.answered.map_or(end, |at| at.0) } else { end };
        let waits = if one.error.is_some() { "people late" } else { "people" };
        self.bar(svg, if called == end { class } else { "ok" }, (one.started.0, called), (10.0, 12.0));
        if called != end {
            self.bar(svg, waits, (called, end), (10.0, 12.0));
        }
        if one.error.is_some() {
            put(svg, format_args!(r#"<text class="cross" x="{:.2}%" y="20" text-anchor="middle">✕</text>"#, self.x(end)));
        }
    }

    fn bar(&self, svg: &mut String, class: &str, (from, to): (i64, i64), (y, height): (f64, f64)) {
        // What is too short to be drawn is drawn as a line; a rectangle without a width would not be drawn at all.
        let (x, width) = (self.x(from), (self.x(to) - self.x(from)).max(0.15));
        put(svg, format_args!(r#"<rect class="{class}" x="{x:.2}%" y="{y}" width="{width:.2}%" height="{height}"/>"#));
    }

    fn x(&self, instant: i64) -> f64 {
        self.axis.percent(instant - self.origin)
    }
}

fn anchor(percent: f64) -> &'static str {
    match percent {
        ..4.0 => "start",
        96.0.. => "end",
        _ => "middle",
    }
}

fn put(svg: &mut String, piece: std::fmt::Arguments<'_>) {
    svg.write_fmt(piece).expect("a string takes everything");
}
