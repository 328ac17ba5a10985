//! A night in figures, for the dashboard. Everything is said at the moment at which the night ended, so that a line that comes late, or
//! once more after a crash, stands where it belongs.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use nightly_domain::metrics::{Metric, line};
use nightly_domain::night::StepState;
use nightly_domain::{Outcome, StepKind};
use rust_decimal::Decimal;
use serde_json::Value;

use crate::Settings;
use crate::record::NightRecord;

/// One line for the night as a whole, one for how it ended, and one for each step that ended.
pub(crate) fn lines(night: &NightRecord, settings: &Settings) -> Vec<Value> {
    let (stack, at) = (&settings.stack, night.ended_at);
    let mut whole = vec![Metric::duration("NightSeconds", night.took())];
    whole.extend(time_until(night, settings.published_by).map(|time| Metric::duration("DeadlineSeconds", time)));
    whole.extend(until_answered(night).map(|time| Metric::duration("ApprovalSeconds", time)));
    whole.extend(rates_age_days(night).map(|days| Metric::number("FxAgeDays", days)));
    whole.extend(night.quality.as_ref().map(|quality| Metric::share("QualityScore", quality.score)));
    if let Some(cost) = &night.cost {
        whole.push(Metric::number("GlueDpuHours", cost.dpu_hours));
        whole.push(Metric::number("Dollars", cost.dollars));
    }
    let mut lines = vec![line(stack, at, &[], &whole), ending(stack, at, &night.outcome)];
    for step in &night.steps {
        if let Some(took) = step.took() {
            lines.push(line(stack, at, &[("Step", &step.node)], &[Metric::duration("StepSeconds", took)]));
        }
    }
    lines
}

/// That a night ended so.
pub(crate) fn ending(stack: &str, at: Timestamp, outcome: &Outcome) -> Value {
    line(stack, at, &[("Outcome", outcome.name())], &[Metric::count("Nights", 1)])
}

/// How long the night had until its date was to be published. Nothing where it began after that, as one for an earlier date does.
fn time_until(night: &NightRecord, published_by: Time) -> Option<SignedDuration> {
    let due = night.run_date.date().checked_add(1.day()).ok()?.to_datetime(published_by);
    let time = TimeZone::UTC.to_timestamp(due).ok()?.duration_since(night.started_at);
    time.is_positive().then_some(time)
}

/// From the question to the answer, where somebody was asked and has answered.
fn until_answered(night: &NightRecord) -> Option<SignedDuration> {
    let question = night.steps.iter().find(|step| step.kind == StepKind::Wait)?;
    let answered_at = match &night.answer {
        Some(answer) if answer.waiver.is_some() => return None,
        Some(answer) => answer.at,
        None => question.ended_at.filter(|_| question.state == StepState::Succeeded)?,
    };
    Some(answered_at.duration_since(question.started_at?))
}

/// By the staged build; else, for a night that has none to show, by what the fetch said.
fn rates_age_days(night: &NightRecord) -> Option<Decimal> {
    let fetched = || night.run_date.date().since(night.measured.rates_date?).ok().map(|age| age.get_days());
    night.rates_age_days().or_else(fetched).map(Decimal::from)
}
