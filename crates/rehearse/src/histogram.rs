//! Durations by the million in little memory: buckets that grow with what they hold, each a 256th of its power of two wide.

/// How many durations there were of each length, to within 0.4 %.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    sum: i128,
    least: i64,
    most: i64,
}

const BITS: u32 = 8;
const PARTS: u64 = 1 << BITS;

impl Histogram {
    /// Counts a duration in milliseconds; a negative one as none.
    pub fn add(&mut self, millis: i64) {
        let millis = millis.max(0);
        let bucket = bucket(millis.unsigned_abs());
        if self.buckets.len() <= bucket {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += 1;
        (self.least, self.most) = if self.count == 0 { (millis, millis) } else { (self.least.min(millis), self.most.max(millis)) };
        self.count += 1;
        self.sum += i128::from(millis);
    }

    /// Counts what another has counted.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        if self.buckets.len() < other.buckets.len() {
            self.buckets.resize(other.buckets.len(), 0);
        }
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(mine, theirs)| *mine += theirs);
        (self.least, self.most) =
            if self.count == 0 { (other.least, other.most) } else { (self.least.min(other.least), self.most.max(other.most)) };
        self.count += other.count;
        self.sum += other.sum;
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// All of them together, in milliseconds.
    pub fn sum(&self) -> i128 {
        self.sum
    }

    /// The shortest; exact.
    pub fn least(&self) -> i64 {
        self.least
    }

    /// The longest; exact.
    pub fn most(&self) -> i64 {
        self.most
    }

    /// What so many in a thousand don't exceed, to within 0.4 %: 500 is the median. 0 where there are none.
    pub fn quantile(&self, per_mille: u64) -> i64 {
        // In the middle of the bucket that holds the one of that rank.
        let rank = (u128::from(self.count) * u128::from(per_mille)).div_ceil(1000).max(1);
        let mut below = 0_u128;
        for (bucket, count) in self.buckets.iter().enumerate() {
            below += u128::from(*count);
            if below >= rank {
                let (low, high) = (start(bucket), start(bucket + 1) - 1);
                return i64::try_from(low.midpoint(high)).unwrap_or(i64::MAX).clamp(self.least, self.most);
            }
        }
        self.most
    }

    /// How many lie between each two of these edges. What is shorter than the first lies in the first column, what is longer than the last
    /// is left out. A bucket that straddles several columns is shared between them.
    #[expect(clippy::cast_precision_loss, reason = "columns are drawn, not counted")]
    pub fn columns(&self, edges: &[f64]) -> Vec<f64> {
        let mut drawn = vec![0.0; edges.len() - 1];
        for (bucket, count) in self.buckets.iter().enumerate().filter(|(_, count)| **count > 0) {
            let (low, high, count) = (start(bucket) as f64, start(bucket + 1) as f64, *count as f64);
            if high <= edges[0] {
                drawn[0] += count;
                continue;
            }
            let first = edges.partition_point(|edge| *edge <= low).saturating_sub(1);
            for (column, drawn) in drawn.iter_mut().enumerate().skip(first).take_while(|(column, _)| edges[*column] < high) {
                let from = if column == 0 { low } else { low.max(edges[column]) };
                *drawn += count * (high.min(edges[column + 1]) - from).max(0.0) / (high - low);
            }
        }
        drawn
    }
}

/// The bucket of a duration: exact up to 255 milliseconds, then 256 buckets to each power of two.
fn bucket(millis: u64) -> usize {
    let octave = (u64::BITS - millis.leading_zeros()).saturating_sub(BITS + 1);
    let bucket = u64::from(octave) * PARTS + (millis >> octave);
    usize::try_from(bucket).expect("fewer than 2^14 buckets")
}

/// The shortest duration of a bucket.
fn start(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let octave = (bucket / PARTS).saturating_sub(1);
    (bucket - octave * PARTS) << octave
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_lies_in_its_bucket() {
        for millis in (0..5_000).chain([86_400_000, 31_536_000_000, 1 << 40]) {
            let bucket = bucket(millis);
            assert!(start(bucket) <= millis && millis < start(bucket + 1), "{millis}");
            assert!(start(bucket + 1) - start(bucket) <= 1 + millis / 256, "{millis}");
        }
    }

    #[test]
    fn quantiles_are_exact_to_within_half_a_percent() {
        let mut histogram = Histogram::default();
        (1..=100_000).for_each(|millis| histogram.add(millis));
        for (per_mille, exact) in [(0, 1), (50, 5_000), (500, 50_000), (950, 95_000), (1000, 100_000)] {
            let found = histogram.quantile(per_mille);
            assert!((found - exact).abs() * 200 <= exact, "{per_mille} per mille: {found}");
        }
        assert_eq!((histogram.least(), histogram.most(), histogram.sum()), (1, 100_000, 5_000_050_000));
        assert_eq!(Histogram::default().quantile(500), 0);
    }

    #[test]
    fn parts_add_up_to_the_whole() {
        let of = |range: std::ops::Range<i64>| {
            let mut histogram = Histogram::default();
            range.for_each(|millis| histogram.add(millis * 37));
            histogram
        };
        let mut merged = of(0..400);
        merged.merge(&of(400..1_000));
        merged.merge(&Histogram::default());
        assert_eq!(merged, of(0..1_000));
    }

    #[test]
    fn columns_hold_everything_once() {
        let mut histogram = Histogram::default();
        (0..60_000).for_each(|millis| histogram.add(millis));
        let columns = histogram.columns(&(0..62).map(|edge| f64::from(edge) * 1_000.0).collect::<Vec<_>>());
        assert!((columns.iter().sum::<f64>() - 60_000.0).abs() < 1.0, "{columns:?}");
        assert!(columns[..59].iter().all(|count| (999.0..1_001.0).contains(count)), "{columns:?}");
    }
}
