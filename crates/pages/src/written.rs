//! How our pages, mails and posts write dates, times, durations and numbers.
//!
//! A unit stands behind a narrow no-break space (U+202F), a negative number behind a minus sign (U+2212). [`plain`] takes both out
//! for text that must do without.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::{Decimal, RoundingStrategy};

const THIN: char = '\u{202f}';
const MINUS: char = '\u{2212}';

/// `Friday 20 November 2026`.
pub fn weekday_date(date: Date) -> String {
    date.strftime("%A %-d %B %Y").to_string()
}

/// `20 November 2026`.
pub fn long_date(date: Date) -> String {
    date.strftime("%-d %B %Y").to_string()
}

/// `20 Nov`.
pub fn short_date(date: Date) -> String {
    date.strftime("%-d %b").to_string()
}

/// `03:24 UTC`.
pub fn time(at: Timestamp) -> String {
    format!("{} UTC", clock(at))
}

/// `03:24`, where the page says once that times are UTC.
pub fn clock(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%H:%M").to_string()
}

/// `03:14 UTC, 21 November 2026`.
pub fn moment(at: Timestamp) -> String {
    format!("{}, {}", time(at), long_date(at.to_zoned(TimeZone::UTC).date()))
}

/// As exact as a reader wants it: `3.1 s` below a minute, `22 m 06 s` below an hour, then `2 h 14 m`; rounded, never negative.
pub fn duration(duration: SignedDuration) -> String {
    let milliseconds = duration.as_millis().max(0);
    let tenths = (milliseconds + 50) / 100;
    let seconds = (milliseconds + 500) / 1_000;
    let minutes = (milliseconds + 30_000) / 60_000;
    if tenths < 600 {
        format!("{}.{}{THIN}s", tenths / 10, tenths % 10)
    } else if seconds < 3_600 {
        format!("{}{THIN}m {:02}{THIN}s", seconds / 60, seconds % 60).replace(' ', "\u{a0}")
    } else {
        format!("{}{THIN}h {:02}{THIN}m", minutes / 60, minutes % 60).replace(' ', "\u{a0}")
    }
}

/// `1,284,306`.
pub fn integer(number: u64) -> String {
    in_groups(&number.to_string())
}

/// `1,284,306`: an amount without its cents, rounded half up.
pub fn whole(amount: Decimal) -> String {
    grouped(amount, 0)
}

/// `$1,234.50`; `free` for nothing.
pub fn dollars(amount: Decimal) -> String {
    if amount.is_zero() {
        return "free".to_owned();
    }
    let cents = (amount * Decimal::ONE_HUNDRED).round();
    if cents.is_zero() {
        return "less than a cent".to_owned();
    }
    let (dollars, cents) = ((cents / Decimal::ONE_HUNDRED).trunc(), cents % Decimal::ONE_HUNDRED);
    format!("${}.{cents:02}", whole(dollars))
}

/// `+6.5 %` for the ratio 0.065; `−1.8 %`; `0.0 %` has no sign.
pub fn signed_percent(ratio: Decimal) -> String {
    let percent = ratio.saturating_mul(Decimal::ONE_HUNDRED).round_dp_with_strategy(1, RoundingStrategy::MidpointAwayFromZero);
    let sign = if percent > Decimal::ZERO { "+" } else { "" };
    format!("{sign}{}{THIN}%", grouped(percent, 1))
}

/// `1 rule`, `8 rules`: a count with its noun.
pub fn count(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", integer(number), if number == 1 { one } else { many })
}

/// `A`, `A and B`, `A, B and C`.
pub fn list<Item: AsRef<str>>(items: &[Item]) -> String {
    match items {
        [] => String::new(),
        [only] => only.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<_> = first.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", first.join(", "), last.as_ref())
        }
    }
}

/// Somebody else's words on one line, without characters that could end it, or hide or turn around what stands beside them.
pub fn one_line(text: &str) -> String {
    let seen: String =
        text.chars().map(|character| if character.is_control() { ' ' } else { character }).filter(|it| !is_disguise(*it)).collect();
    seen.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Characters without a width or with a direction of their own, apart from the joiners that some scripts and signs are written with.
fn is_disguise(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// At most so many characters of a text; `…` stands for the rest.
pub fn shortened(text: &str, characters: usize) -> String {
    if text.chars().count() <= characters {
        return text.to_owned();
    }
    let kept: String = text.chars().take(characters.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// The same text in plain spaces and hyphens.
pub fn plain(text: &str) -> String {
    text.replace([THIN, '\u{a0}'], " ").replace(MINUS, "-")
}

fn grouped(number: Decimal, places: u32) -> String {
    let rounded = number.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero);
    let digits = format!("{:.*}", places as usize, rounded.abs());
    let (whole, fraction) = digits.split_once('.').map_or((digits.as_str(), None), |(whole, fraction)| (whole, Some(fraction)));
    let sign = if rounded < Decimal::ZERO { MINUS.to_string() } else { String::new() };
    let fraction = fraction.map(|fraction| format!(".{fraction}")).unwrap_or_default();
    format!("{sign}{}{fraction}", in_groups(whole))
}

/// Commas between groups of three digits.
fn in_groups(digits: &str) -> String {
    let mut written = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            written.push(',');
        }
        written.push(digit);
    }
    written
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn dates_are_written_out() {
        assert_eq!(weekday_date(date(2026, 11, 20)), "Friday 20 November 2026");
        assert_eq!(long_date(date(2026, 3, 1)), "1 March 2026");
        assert_eq!(short_date(date(2026, 3, 1)), "1 Mar");
    }

    #[test]
    fn times_are_utc_and_say_so() {
        let at: Timestamp = "2026-11-21T05:24:59+02:00".parse().unwrap();
        assert_eq!((time(at), clock(at)), ("03:24 UTC".to_owned(), "03:24".to_owned()));
        assert_eq!(moment(at), "03:24 UTC, 21 November 2026");
    }

    #[test]
    fn durations_grow_coarser_and_carry_what_they_round() {
        for (milliseconds, written) in [
            (-5, "0.0 s"),
            (3_149, "3.1 s"),
            (59_949, "59.9 s"),
            (59_950, "1 m 00 s"),
            (1_326_000, "22 m 06 s"),
            (2_700_000, "45 m 00 s"),
            (3_599_499, "59 m 59 s"),
            (3_599_500, "1 h 00 m"),
            (8_030_000, "2 h 14 m"),
            (90_000_000, "25 h 00 m"),
        ] {
            assert_eq!(plain(&duration(SignedDuration::from_millis(milliseconds))), written, "{milliseconds} ms");
        }
    }

    #[test]
    fn a_duration_never_breaks_across_lines() {
        assert_eq!(duration(SignedDuration::from_secs(1_326)), "22\u{202f}m\u{a0}06\u{202f}s");
    }

    #[test]
    fn digits_stand_in_groups_of_three() {
        for (number, written) in [(0, "0"), (999, "999"), (1_000, "1,000"), (48_212, "48,212"), (1_284_306, "1,284,306")] {
            assert_eq!(integer(number), written);
        }
    }

    #[test]
    fn amounts_are_rounded_half_up_and_signed_with_a_minus() {
        for (amount, rounded) in
            [("1284305.50", "1,284,306"), ("0.125", "0"), ("999.995", "1,000"), ("-1234.5", "\u{2212}1,235"), ("-0.001", "0"), ("7", "7")]
        {
            assert_eq!(whole(amount.parse().unwrap()), rounded);
        }
    }

    #[test]
    fn a_change_carries_its_sign() {
        for (ratio, written) in [
            ("0.0652", "+6.5\u{202f}%"),
            ("-0.018", "\u{2212}1.8\u{202f}%"),
            ("0.0004", "0.0\u{202f}%"),
            ("-0.0004", "0.0\u{202f}%"),
            ("12", "+1,200.0\u{202f}%"),
        ] {
            assert_eq!(signed_percent(ratio.parse().unwrap()), written);
        }
    }

    #[test]
    fn counts_and_lists_read_as_sentences() {
        assert_eq!((count(1, "rule", "rules"), count(1_200, "rule", "rules")), ("1 rule".to_owned(), "1,200 rules".to_owned()));
        assert_eq!(list::<&str>(&[]), "");
        assert_eq!(list(&["A"]), "A");
        assert_eq!(list(&["A", "B", "C"]), "A, B and C");
    }

    #[test]
    fn money_is_written_to_the_cent() {
        for (amount, text) in
            [("0", "free"), ("0.001", "less than a cent"), ("0.125", "$0.12"), ("1234.5", "$1,234.50"), ("16.999", "$17.00")]
        {
            assert_eq!(dollars(amount.parse().unwrap()), text);
        }
    }

    #[test]
    fn a_change_beyond_all_numbers_is_written_all_the_same() {
        assert!(signed_percent(Decimal::MAX).starts_with("+79,228,"));
    }

    #[test]
    fn foreign_words_stay_on_their_line_and_hide_nothing() {
        assert_eq!(one_line(" a\r\nAnswer by:\tnever\u{2028}b\u{0}c\u{a0}d "), "a Answer by: never b c d");
        assert_eq!(one_line("pay \u{202e}live\u{202c}\u{200b}\u{e0041}"), "pay live");
        assert_eq!(one_line("\u{1f469}\u{200d}\u{1f4bb}"), "\u{1f469}\u{200d}\u{1f4bb}", "a joiner joins");
        assert_eq!(one_line("\u{200f}\n"), "");
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!((shortened("Käse", 4), shortened("Käse und Brot", 6)), ("Käse".to_owned(), "Käse…".to_owned()));
        assert_eq!(shortened("Käse", 0), "…");
    }

    #[test]
    fn plain_text_has_no_special_spaces() {
        assert_eq!(plain(&signed_percent("-0.018".parse().unwrap())), "-1.8 %");
    }
}
