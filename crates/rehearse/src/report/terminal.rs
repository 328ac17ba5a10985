//! The report on a terminal: a hundred columns, and readable without colour.

use std::fmt::Write;

use console::style;
use nightly_pages::written;

use super::Report;
use super::text::{average, share, took};
use crate::sums::{StateSum, Tone};

/// The whole summary, lines end with a line feed.
pub fn terminal(report: &Report<'_>) -> String {
    let sums = report.sums;
    let mut text = String::new();
    let last = report.seed.saturating_add(sums.nights.saturating_sub(1));
    let nights = written::count(sums.nights, "night", "nights");
    line(&mut text, &format!("\n{}  {}", style(report.name).bold(), style(format!("{nights}, seeds {}–{last}", report.seed)).dim()));
    line(&mut text, "");
    let names = sums.outcomes.keys().map(|name| console::measure_text_width(name)).max().unwrap_or_default().clamp(12, 40);
    for (name, sum) in sums.by_frequency() {
        let count = sum.makespan.count();
        let filled = usize::try_from((u128::from(count) * 30).div_ceil(u128::from(sums.nights.max(1)))).unwrap_or_default();
        let bar = "█".repeat(filled);
        let (mark, bar) = match sum.tone {
            Tone::Well => (style("✓").green(), style(bar).green()),
            Tone::Deliberate => (style("!").yellow(), style(bar).yellow()),
            Tone::Badly => (style("✗").red(), style(bar).red()),
        };
        let name = console::pad_str(name, names, console::Alignment::Left, Some("…"));
        line(&mut text, &format!("  {mark} {name} {:>11} {:>8}  {bar}", written::integer(count), share(count, sums.nights)));
    }
    line(&mut text, "");
    let makespan = sums.makespan();
    for (title, histogram) in [("A night took", &makespan), ("People took", &sums.waits)] {
        if histogram.count() == 0 {
            continue;
        }
        let of = |per_mille| took(histogram.quantile(per_mille));
        let quantiles = format!("half within {}, 95 % {}, 99 % {}, at most {}", of(500), of(950), of(990), took(histogram.most()));
        line(&mut text, &format!("  {title:<14} {quantiles}"));
    }
    let (prices, month) = (report.prices, report.prices.month(sums));
    let in_month = |price: &str| format!("{price} for {} nights", prices.nights_a_month);
    let transitions = format!("{} a night, at most {}", average(sums.transitions, sums.nights), written::integer(sums.most_transitions));
    line(&mut text, &format!("  {:<14} {transitions}; {}", "Transitions", in_month(&written::dollars(month.transitions_price))));
    if sums.dpu_hours_thousandths > 0 {
        let hours = month.dpu_hours.round_dp(1);
        let price = format!("${} each: {}", prices.dpu_hour.normalize(), written::dollars(month.dpu_hours_price));
        line(&mut text, &format!("  {:<14} {hours} in {} nights, {price}", "DPU-hours", prices.nights_a_month));
    }
    let troubled: Vec<_> = sums.states.iter().filter(|state| state.failed_tries() + state.failed + state.caught > 0).collect();
    if !troubled.is_empty() {
        line(&mut text, &format!("\n  {}", style("Failed and tried again").bold()));
        for state in troubled {
            trouble(&mut text, state);
        }
    }
    if let Some(worst) = &sums.worst {
        let seed = worst.seed.0;
        line(&mut text, &format!("\n  The worst night took {}:\n  {}", took(worst.millis), style(report.replay(seed)).cyan()));
    }
    if sums.violations.is_empty() {
        line(&mut text, &format!("\n{} no invariant was violated", style("✓").green().bold()));
    }
    for (name, sum) in &sums.violations {
        let nights = written::count(sum.nights, "night", "nights");
        line(&mut text, &format!("\n{} {}  {}", style("✗").red().bold(), style(name).bold(), style(nights).dim()));
        line(&mut text, &format!("  {}", sum.what));
        line(&mut text, &format!("  {}", style(report.replay(sum.seed)).cyan()));
    }
    written::plain(&text)
}

fn trouble(text: &mut String, state: &StateSum) {
    let name = console::pad_str(&state.name, 28, console::Alignment::Left, Some("…"));
    let gave_up = match state.failed + state.caught {
        0 => style("never gave up".to_owned()).dim(),
        count => style(format!("gave up {}", written::integer(count))).yellow(),
    };
    let again = format!("again {}", written::integer(state.retried));
    line(text, &format!("  {name} {:<14} {:<14} {gave_up}", format!("failed {}", written::integer(state.failed_tries())), again));
    let mut errors: Vec<_> = state.errors.iter().collect();
    errors.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    for (error, count) in errors.iter().take(4) {
        line(text, &format!("    {}", style(format!("{error} × {}", written::integer(**count))).dim()));
    }
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("a string takes everything");
}
