//! The business date that a night builds.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// The business date being built, never "today": a calendar day in the Gregorian calendar, without a time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunDate(Date);

/// Text that is no run date.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("«{text}» is not a calendar day written YYYY-MM-DD")]
pub struct InvalidRunDate {
    text: String,
}

impl RunDate {
    /// Reads `YYYY-MM-DD`, and nothing else: no short forms, no time, no white space.
    pub fn parse(text: &str) -> Result<Self, InvalidRunDate> {
        let invalid = || InvalidRunDate { text: text.to_owned() };
        let date = Date::strptime("%Y-%m-%d", text).map_err(|_| invalid())?;
        // The parser is lenient about padding; the written form is not.
        (date.to_string() == text).then_some(Self(date)).ok_or_else(invalid)
    }

    /// The day as a civil date.
    pub fn date(self) -> Date {
        self.0
    }
}

impl From<Date> for RunDate {
    fn from(date: Date) -> Self {
        Self(date)
    }
}

impl fmt::Display for RunDate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl FromStr for RunDate {
    type Err = InvalidRunDate;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for RunDate {
    type Error = InvalidRunDate;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<RunDate> for String {
    fn from(date: RunDate) -> Self {
        date.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_padded_calendar_days_are_run_dates() {
        assert_eq!(RunDate::parse("2024-02-29").unwrap().to_string(), "2024-02-29");
        for text in ["2026-02-29", "2026-2-3", "20260203", "2026-13-01", "2026-11-20T00:00:00Z", " 2026-11-20", "today", ""] {
            let error = RunDate::parse(text).unwrap_err();
            assert!(error.to_string().contains(text), "the error names «{text}»");
        }
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_written_back_the_same(text in "[0-9]{4}-[0-9]{2}-[0-9]{2}") {
            if let Ok(date) = RunDate::parse(&text) {
                prop_assert_eq!(date.to_string(), text);
            }
        }
    }
}
