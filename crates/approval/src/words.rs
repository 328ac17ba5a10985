//! What mails and posts say alike. Only what is true of the record when it is written.

use jiff::Timestamp;
use nightly_domain::approval::{Approval, Approver, Decision};
use nightly_domain::comparison::{Comparison, Figure, Movement, Mover, Place, UsualRange};
use nightly_domain::evidence::{Build, Subject};
use nightly_domain::people::{Address, Starter};
use nightly_pages::written;

/// Movers and categories that are worth a word outside the page.
const LARGEST: usize = 3;

/// A category's name outside the page.
const CATEGORY_CHARACTERS: usize = 40;

/// What is asked, as one line.
pub(crate) fn title(approval: &Approval) -> String {
    match &approval.evidence.subject {
        Subject::Build(build) => format!("Publish the warehouse build for {}?", written::weekday_date(build.summary.run_date.date())),
        Subject::Request(request) => written::one_line(&request.question),
    }
}

/// What to call somebody. An address that has no name in it is nobody else's business.
pub(crate) fn person(address: &Address) -> String {
    let name = written::one_line(&address.person());
    if name.contains('@') { "somebody without a name".to_owned() } else { name }
}

/// The state machine and the execution that ask, from the execution's ARN: nothing that somebody could write into a question.
pub(crate) fn asking_execution(approval: &Approval) -> String {
    let mut parts = approval.execution_arn.rsplit(':').map(written::one_line);
    match (parts.next(), parts.next()) {
        (Some(execution), Some(machine)) => format!("{machine}, execution {execution}"),
        _ => written::one_line(&approval.execution_arn),
    }
}

/// `1 approval`.
pub(crate) fn approvals(number: u32) -> String {
    written::count(number.into(), "approval", "approvals")
}

/// Everyone whose answer counts: not who has handed theirs on.
pub(crate) fn asked(approval: &Approval) -> impl Iterator<Item = &Approver> {
    approval.approvers.iter().filter(|approver| approver.handed_on.is_none())
}

/// `D. Lind in A. Berg's place`; `you` for the reader.
pub(crate) fn asked_person(approver: &Approver, reader: Option<&Approver>) -> String {
    let is_reader = reader.is_some_and(|reader| reader.address == approver.address);
    let name = if is_reader { "you".to_owned() } else { person(&approver.address) };
    match &approver.in_place_of {
        Some(absent) => format!("{name} in {}'s place", person(absent)),
        None => name,
    }
}

/// Who has approved, and when: `C. Marchetti (02:41 UTC)`.
pub(crate) fn approved_by(approval: &Approval) -> Vec<String> {
    let approved = asked(approval).filter_map(|approver| {
        let answer = approver.answer.as_ref().filter(|answer| matches!(answer.decision, Decision::Approve { .. }))?;
        Some(format!("{} ({})", person(&approver.address), written::time(answer.at)))
    });
    approved.collect()
}

/// Who has begun what is asked about, where that is known and was no schedule.
pub(crate) fn starter(approval: &Approval) -> Option<String> {
    match &approval.started_by {
        Starter::Schedule | Starter::Unnamed => None,
        Starter::Named(name) => Some(name.parse().map_or_else(|_| written::shortened(&written::one_line(name), 60), |it| person(&it))),
    }
}

/// What four eyes mean for this question, where they mean anything. The reader is one of the approvers, or somebody who only reads.
pub(crate) fn four_eyes(approval: &Approval, reader: Option<&Approver>) -> Option<String> {
    let started = |approver: &Approver| approval.started_by.is(&approver.address);
    if approval.started_by == Starter::Unnamed {
        Some("Nobody is named as who started this, so two people have to approve it.".to_owned())
    } else if reader.is_some_and(started) {
        Some("You have started this, so somebody else has to approve it, too.".to_owned())
    } else {
        let by_hand = asked(approval).find(|approver| started(approver))?;
        Some(format!("{} has started this, so their approval alone does not decide.", person(&by_hand.address)))
    }
}

/// Until when answers count, and why longer than at first.
pub(crate) fn deadline(approval: &Approval) -> String {
    let until = written::moment(approval.expires_at);
    match &approval.extension {
        Some(extension) => {
            format!("{until} ({} asked for more time, at first it was {})", person(&extension.by), written::time(extension.from))
        }
        None => until,
    }
}

/// Until when somebody can still ask for more time, as one sentence.
pub(crate) fn more_time(approval: &Approval) -> Option<String> {
    let until: Timestamp = approval.more_time().ok()?;
    Some(format!("Any approver can extend the time once, to {}.", written::time(until)))
}

/// The figures of a build, each with its name.
pub(crate) fn figures(build: &Build) -> Vec<(&'static str, String)> {
    let comparison = Comparison::of(build);
    let (revenue, order_lines) = (self::revenue(build), self::order_lines(build));
    let orders = written::count(build.summary.orders, "order", "orders");
    let mut figures = vec![("Quality gate", quality(build))];
    if let Some(comparison) = &comparison {
        figures.push(("Revenue", format!("{revenue}, {}", against(&comparison.revenue))));
        figures.push(("Order lines", format!("{order_lines} in {orders}, {}", against(&comparison.order_lines))));
        figures.extend(movers(comparison).map(|movers| ("Movers", movers)));
        figures.push(("Compared with", compared_with(comparison)));
    } else {
        figures.push(("Revenue", revenue));
        figures.push(("Order lines", format!("{order_lines} in {orders}")));
        figures.extend(largest(build).map(|largest| ("Largest", largest)));
        figures.push(("Compared with", "nothing, for no record of a published night was at hand".to_owned()));
    }
    figures.extend(notes(build).into_iter().map(|note| ("Note", note)));
    figures
}

/// `8 of 8 rules pass`.
pub(crate) fn quality(build: &Build) -> String {
    format!("{} of {}", build.quality.passed(), written::count(build.quality.rules.len() as u64, "rule passes", "rules pass"))
}

/// `1,284,307 EUR`.
pub(crate) fn revenue(build: &Build) -> String {
    format!("{} {}", written::whole(build.summary.revenue_base), written::one_line(&build.summary.base_currency))
}

/// `48,212`.
pub(crate) fn order_lines(build: &Build) -> String {
    written::integer(build.summary.order_lines)
}

/// `+6.5 % on the median, inside the usual range (1,102,007 to 1,310,442)`.
fn against(figure: &Figure) -> String {
    let change = figure
        .change
        .map_or_else(|| "with a median of 0".to_owned(), |change| format!("{} on the median", written::signed_percent(change)));
    let (Some(place), Some(UsualRange { lowest, highest })) = (figure.place(), figure.usual) else {
        return change;
    };
    let place = match place {
        Place::Below => "below",
        Place::Inside => "inside",
        Place::Above => "above",
    };
    format!("{change}, {place} the usual range ({} to {})", written::whole(lowest), written::whole(highest))
}

fn compared_with(comparison: &Comparison) -> String {
    let nights = written::count(comparison.revenue.nights.len() as u64, "published night", "published nights");
    match comparison.span() {
        Some((first, last)) if first == last => format!("{nights}, {}", written::long_date(last.date())),
        Some((first, last)) => {
            let (first, last) = (first.date(), last.date());
            let from = match (first.year() == last.year(), first.month() == last.month()) {
                (true, true) => first.day().to_string(),
                (true, false) => first.strftime("%-d %B").to_string(),
                (false, _) => written::long_date(first),
            };
            format!("{nights}, {from} to {}", written::long_date(last))
        }
        None => nights,
    }
}

fn movers(comparison: &Comparison) -> Option<String> {
    let mut movers: Vec<_> = comparison.movers.iter().take(LARGEST).map(mover).collect();
    let more = comparison.movers.len().saturating_sub(LARGEST);
    if more > 0 {
        movers.push(format!("{more} more"));
    }
    let steady = match (movers.is_empty(), comparison.steady) {
        (_, 0) => None,
        (true, 1) => Some("the only category changed by less than 5 %".to_owned()),
        (true, all) => Some(format!("all {all} categories changed by less than 5 %")),
        (false, others) => Some(format!("{} changed by less than 5 %", written::count(others as u64, "category", "categories"))),
    };
    let parts: Vec<_> = [Some(movers.join(", ")).filter(|movers| !movers.is_empty()), steady].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn mover(mover: &Mover) -> String {
    let name = category(mover.category.as_deref());
    match mover.movement {
        Movement::New => format!("{name} new ({})", written::whole(mover.revenue)),
        Movement::Vanished => format!("{name} gone ({} before)", written::whole(mover.median)),
        Movement::Changed(Some(change)) => format!("{name} {}", written::signed_percent(change)),
        Movement::Changed(None) => format!("{name} {} instead of {}", written::whole(mover.revenue), written::whole(mover.median)),
    }
}

fn category(name: Option<&str>) -> String {
    name.map_or_else(|| "no category".to_owned(), |name| written::shortened(&written::one_line(name), CATEGORY_CHARACTERS))
}

fn largest(build: &Build) -> Option<String> {
    let named = build.summary.categories.iter().filter(|figures| figures.category.is_some());
    let largest: Vec<_> = named
        .take(LARGEST)
        .map(|figures| format!("{} {}", category(figures.category.as_deref()), written::whole(figures.revenue_base)))
        .collect();
    (!largest.is_empty()).then(|| largest.join(", "))
}

fn notes(build: &Build) -> Vec<String> {
    let summary = &build.summary;
    let mut notes = Vec::new();
    if let Some(days) = summary.rate_age_days() {
        let of = written::long_date(summary.rates.effective_date);
        notes.push(format!("exchange rates are of {of}, {} older than the run date", written::count(days, "day", "days")));
    }
    if summary.unmatched_lines > 0 {
        let lines = written::count(summary.unmatched_lines, "order line has", "order lines have");
        notes.push(format!("{lines} no item in the inventory"));
    }
    notes
}
