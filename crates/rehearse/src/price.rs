//! What AWS takes for it.

use rust_decimal::Decimal;

use crate::sums::Sums;

/// Prices in US dollars, and how many nights a month has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prices {
    /// Of a thousand state transitions: <https://aws.amazon.com/step-functions/pricing/>.
    pub thousand_transitions: Decimal,
    /// Transitions that are free each month.
    pub free_transitions: u64,
    /// Of a DPU-hour: <https://aws.amazon.com/glue/pricing/>.
    pub dpu_hour: Decimal,
    /// How many nights a month has.
    pub nights_a_month: u32,
}

impl Default for Prices {
    /// Those of us-east-1 and eu-central-1.
    fn default() -> Self {
        Self { thousand_transitions: Decimal::new(25, 3), free_transitions: 4_000, dpu_hour: Decimal::new(44, 2), nights_a_month: 30 }
    }
}

/// What a month of such nights costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Month {
    /// Transitions, on average.
    pub transitions: Decimal,
    /// What they cost above the free ones.
    pub transitions_price: Decimal,
    /// DPU-hours, on average.
    pub dpu_hours: Decimal,
    /// What they cost.
    pub dpu_hours_price: Decimal,
}

impl Prices {
    /// What a month of such nights costs.
    pub fn month(&self, sums: &Sums) -> Month {
        let nights = Decimal::from(sums.nights.max(1));
        let month = Decimal::from(self.nights_a_month) / nights;
        let transitions = Decimal::from(sums.transitions) * month;
        let dpu_hours = Decimal::new(i64::try_from(sums.dpu_hours_thousandths).unwrap_or(i64::MAX), 3) * month;
        let billed = (transitions - Decimal::from(self.free_transitions)).max(Decimal::ZERO);
        Month {
            transitions,
            transitions_price: billed / Decimal::ONE_THOUSAND * self.thousand_transitions,
            dpu_hours,
            dpu_hours_price: dpu_hours * self.dpu_hour,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_free_transitions_of_a_month_come_off_first() {
        let mut sums = Sums::new(&json!({}));
        (sums.nights, sums.transitions, sums.dpu_hours_thousandths) = (10, 3_000, 12_500);
        let month = Prices::default().month(&sums);
        assert_eq!(month.transitions, Decimal::from(9_000));
        assert_eq!(month.transitions_price, Decimal::new(125, 3), "5,000 billed at $0.025 a thousand");
        assert_eq!(month.dpu_hours_price, Decimal::new(165, 1), "37.5 DPU-hours at $0.44");
        sums.transitions = 1_000;
        assert_eq!(Prices::default().month(&sums).transitions_price, Decimal::ZERO);
    }
}
