//! What a person sees while something runs: a line with a bar on a terminal, plain lines elsewhere.

use std::time::{Duration, Instant};

use console::{StyledObject, style};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// The lines of one run.
#[derive(Clone)]
pub struct Progress {
    bars: MultiProgress,
    terminal: bool,
}

/// One thing that is going on.
pub struct Stage {
    progress: Progress,
    bar: ProgressBar,
    title: String,
    started: Instant,
    ended: bool,
}

impl Progress {
    pub fn new() -> Self {
        Self { bars: MultiProgress::new(), terminal: console::user_attended_stderr() }
    }

    /// Whether somebody watches a terminal.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    pub fn stage(&self, title: impl Into<String>) -> Stage {
        let title = title.into();
        let bar = self.bars.add(ProgressBar::new_spinner().with_message(title.clone()).with_style(spinner()));
        bar.enable_steady_tick(Duration::from_millis(120));
        if !self.terminal {
            eprintln!("  … {title}");
        }
        Stage { progress: self.clone(), bar, title, started: Instant::now(), ended: false }
    }

    /// The lines that move, for whoever draws their own.
    pub fn bars(&self) -> MultiProgress {
        self.bars.clone()
    }

    /// A line above whatever is moving.
    pub fn line(&self, text: impl AsRef<str>) {
        if self.terminal {
            // A closed terminal is no reason to stop.
            let _ = self.bars.println(text);
        } else {
            eprintln!("{}", text.as_ref());
        }
    }
}

impl Stage {
    /// What is being done right now.
    pub fn say(&self, detail: &str) {
        let detail = console::truncate_str(detail.trim(), 72, "…").into_owned();
        self.bar.set_message(format!("{}  {}", self.title, style(detail).dim()));
    }

    /// How far it is.
    pub fn at(&self, done: u64, total: u64) {
        if self.bar.length() != Some(total) {
            self.bar.set_length(total);
            self.bar.set_style(bar());
        }
        self.bar.set_position(done);
    }

    pub fn done(mut self, detail: &str) {
        self.end(&style("✓").green(), detail);
    }

    fn end(&mut self, mark: &StyledObject<&str>, detail: &str) {
        self.ended = true;
        self.bar.finish_and_clear();
        let took = written(self.started.elapsed());
        let detail = if detail.is_empty() { String::new() } else { format!("  {detail}") };
        self.progress.line(format!("  {mark} {}{}  {}", self.title, style(detail).dim(), style(took).dim()));
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if !self.ended {
            self.end(&style("✗").red(), "");
        }
    }
}

/// `2 m 05 s`, `3.1 s`.
pub fn written(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} m {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} m", seconds / 3600, seconds / 60 % 60),
    }
}

fn spinner() -> ProgressStyle {
    ProgressStyle::with_template("  {spinner:.blue} {msg}  {elapsed:.dim}").expect("the template is fixed")
}

fn bar() -> ProgressStyle {
    ProgressStyle::with_template("  {spinner:.blue} {msg}  {bar:24.blue/dim} {percent:>3} %  {elapsed:.dim}")
        .expect("the template is fixed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_people_say_them() {
        for (seconds, text) in [(3.149, "3.1 s"), (59.9, "59 s"), (125.0, "2 m 05 s"), (3725.0, "1 h 02 m")] {
            assert_eq!(written(Duration::from_secs_f64(seconds)), text);
        }
    }
}
