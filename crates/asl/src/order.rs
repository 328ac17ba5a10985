//! How Step Functions orders numbers, strings and timestamps, in choice rules and in filters of paths.

use std::cmp::Ordering;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use serde_json::Number;

/// Whole numbers exactly, all others as JSON's doubles.
pub(crate) fn numbers(left: &Number, right: &Number) -> Option<Ordering> {
    match (whole(left), whole(right)) {
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
    }
}

/// As Java compares strings: by UTF-16 code units.
pub(crate) fn texts(left: &str, right: &str) -> Ordering {
    left.encode_utf16().cmp(right.encode_utf16())
}

/// An ISO 8601 date and time with its offset from UTC, such as `2016-03-14T01:59:00Z` or `2016-03-14T01:59:00.5+01:00`:
/// uppercase `T` and `Z` as the Amazon States Language demands («Timestamps»), and seconds that may be left out as in
/// Java's `ISO_OFFSET_DATE_TIME`, which is what the service's error texts name.
pub(crate) fn timestamp(text: &str) -> Option<Timestamp> {
    let (date, rest) = text.split_once('T')?;
    let zone = rest.find(['Z', '+', '-'])?;
    let (time, zone) = rest.split_at(zone);
    let mut date = date.split('-');
    let (year, month, day) = (digits(date.next()?, 4)?, digits(date.next()?, 2)?, digits(date.next()?, 2)?);
    let (time, fraction) = time.split_once('.').map_or((time, None), |(time, fraction)| (time, Some(fraction)));
    let mut time = time.split(':');
    let (hour, minute, second) = (digits(time.next()?, 2)?, digits(time.next()?, 2)?, time.next());
    if date.next().is_some() || time.next().is_some() || (second.is_none() && fraction.is_some()) {
        return None;
    }
    let second = second.map_or(Some(0), |second| digits(second, 2))?;
    let nanosecond = fraction.map_or(Some(0), nanoseconds)?;
    let small = |number: i32| i8::try_from(number).ok();
    let local =
        DateTime::new(i16::try_from(year).ok()?, small(month)?, small(day)?, small(hour)?, small(minute)?, small(second)?, nanosecond)
            .ok()?;
    offset(zone)?.to_timestamp(local).ok()
}

fn whole(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

fn digits(text: &str, length: usize) -> Option<i32> {
    (text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

fn nanoseconds(fraction: &str) -> Option<i32> {
    let length = u32::try_from(fraction.len()).ok().filter(|length| (1..=9).contains(length))?;
    Some(digits(fraction, fraction.len())? * 10_i32.pow(9 - length))
}

fn offset(zone: &str) -> Option<Offset> {
    if zone == "Z" {
        return Some(Offset::UTC);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    (hours <= 18 && minutes < 60).then(|| Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_has_a_date_a_time_and_an_offset() {
        let noon = timestamp("2012-10-09T12:00:00Z");
        assert!(noon.is_some());
        assert_eq!(timestamp("2012-10-09T13:00:00+01:00"), noon);
        assert_eq!(timestamp("2012-10-09T12:00:00.000Z"), noon);
        assert_eq!(timestamp("2012-10-09T12:00Z"), noon);
        assert!(timestamp("2012-10-09T12:00:00.5Z") > noon);
        for refused in [
            "",
            " ",
            "T",
            "2012-10-09",
            "2012-10-09T12:00:00",
            "2012-10-09 12:00:00Z",
            "2012-10-09t12:00:00z",
            "2012-10-09T25:00:00Z",
            "2012-13-09T12:00:00Z",
            "2012-02-30T12:00:00Z",
            "09-10-2012T12:00:00Z",
            "2012-10-09T12:00:00+0100",
            "2012-10-09T12:00:00ZZ",
            "2012-10-09T12:00:00.Z",
            "2012-10-09T12:00.5Z",
            "2012-10-09T12:00:00é",
        ] {
            assert_eq!(timestamp(refused), None, "{refused}");
        }
    }

    #[test]
    fn whole_numbers_are_compared_exactly() {
        let number = |text: &str| serde_json::from_str::<Number>(text).unwrap();
        assert_eq!(numbers(&number("9007199254740993"), &number("9007199254740992")), Some(Ordering::Greater));
        assert_eq!(numbers(&number("1"), &number("1.0")), Some(Ordering::Equal));
        assert_eq!(numbers(&number("18446744073709551615"), &number("-1")), Some(Ordering::Greater));
    }
}
