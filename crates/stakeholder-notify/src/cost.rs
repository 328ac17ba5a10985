//! What a night has cost, as far as its history tells. `docs/costs.md` says what each part is made of, and what is left out.

use nightly_domain::measured::Measured;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// Of a thousand state transitions, in US dollars: <https://aws.amazon.com/step-functions/pricing/>, November 2026.
const THOUSAND_TRANSITIONS: Decimal = dollars(25, 3);

/// Of a million calls of functions: <https://aws.amazon.com/lambda/pricing/>, November 2026.
const MILLION_CALLS: Decimal = dollars(20, 2);

/// Of a GB-second on `x86_64`, the dearer processor: <https://aws.amazon.com/lambda/pricing/>, November 2026.
const GIGABYTE_SECOND: Decimal = dollars(166_667, 10);

/// What each function has, in megabytes. The template's `MemorySize`, which a test compares.
pub const FUNCTION_MEGABYTES: u32 = 256;

/// What a night has cost, in US dollars.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cost {
    /// What Glue bills, jobs and quality runs.
    #[serde(with = "rust_decimal::serde::str")]
    pub(crate) dpu_hours: Decimal,
    /// All parts together.
    #[serde(with = "rust_decimal::serde::str")]
    pub(crate) dollars: Decimal,
    pub(crate) parts: Parts,
}

/// What the dollars are made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Parts {
    #[serde(with = "rust_decimal::serde::str")]
    pub(crate) jobs: Decimal,
    #[serde(with = "rust_decimal::serde::str")]
    pub(crate) quality_runs: Decimal,
    #[serde(with = "rust_decimal::serde::str")]
    pub(crate) transitions: Decimal,
    #[serde(with = "rust_decimal::serde::str")]
    pub(crate) functions: Decimal,
}

impl Cost {
    /// Nothing where Glue's part is not known: the rest would pass for the whole.
    pub(crate) fn of(measured: &Measured, transitions: u64, dpu_hour_price: Decimal) -> Option<Self> {
        let hours = |seconds: Decimal| seconds / Decimal::from(3600);
        let (jobs, quality_runs) = (hours(measured.job_dpu_seconds?), hours(measured.quality_dpu_seconds?));
        let gigabytes = Decimal::from(FUNCTION_MEGABYTES) / Decimal::from(1024);
        let function_seconds = Decimal::new(i64::try_from(measured.function_time.as_millis()).ok()?, 3);
        let calls = Decimal::from(measured.function_calls) * MILLION_CALLS / Decimal::from(1_000_000);
        let parts = Parts {
            jobs: (jobs * dpu_hour_price).round_dp(6),
            quality_runs: (quality_runs * dpu_hour_price).round_dp(6),
            transitions: (Decimal::from(transitions) * THOUSAND_TRANSITIONS / Decimal::ONE_THOUSAND).round_dp(6),
            functions: (calls + function_seconds * gigabytes * GIGABYTE_SECOND).round_dp(6),
        };
        let dollars = parts.jobs + parts.quality_runs + parts.transitions + parts.functions;
        Some(Self { dpu_hours: (jobs + quality_runs).round_dp(4), dollars, parts })
    }
}

const fn dollars(digits: u32, scale: u32) -> Decimal {
    Decimal::from_parts(digits, 0, 0, false, scale)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn measured() -> Measured {
        Measured {
            job_dpu_seconds: Some(Decimal::from(7_200)),
            quality_dpu_seconds: Some(Decimal::from(900)),
            function_calls: 4,
            function_time: SignedDuration::from_secs(12),
            ..Measured::default()
        }
    }

    #[test]
    fn the_dollars_are_the_sum_of_their_parts() {
        let cost = Cost::of(&measured(), 60, Decimal::new(44, 2)).unwrap();
        let text = |amount: Decimal| amount.normalize().to_string();
        let Parts { jobs, quality_runs, transitions, functions } = &cost.parts;
        // 2 and 0.25 DPU-hours, 60 transitions, 4 calls and 3 GB-seconds.
        assert_eq!([jobs, quality_runs, transitions, functions].map(|part| text(*part)), ["0.88", "0.11", "0.0015", "0.000051"]);
        assert_eq!((text(cost.dollars), text(cost.dpu_hours)), ("0.991551".to_owned(), "2.25".to_owned()));
    }

    #[test]
    fn what_is_not_known_whole_is_not_said() {
        for unknown in
            [Measured { job_dpu_seconds: None, ..measured() }, Measured { quality_dpu_seconds: None, ..measured() }, Measured::default()]
        {
            assert_eq!(Cost::of(&unknown, 60, Decimal::new(44, 2)), None, "{unknown:?}");
        }
    }
}
