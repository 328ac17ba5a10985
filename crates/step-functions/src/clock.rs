//! The clock and chance: the one place that asks the machine for either.

use nightly_asl::Instant;

/// What the server takes the time from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Clock {
    /// The machine's.
    Wall,
    /// The runtime's, which a test stops and winds: it showed this instant then.
    #[cfg(test)]
    Virtual(Instant, tokio::time::Instant),
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "the server is where virtual time meets the wall clock; this is the one place")]
    pub(crate) fn now(self) -> Instant {
        match self {
            Self::Wall => Instant(jiff::Timestamp::now().as_millisecond()),
            #[cfg(test)]
            Self::Virtual(at, then) => at.plus_millis(i64::try_from(then.elapsed().as_millis()).expect("a test is short")),
        }
    }
}

/// An instant as the API has it: seconds since 1970, with a fraction.
pub(crate) fn seconds(at: Instant) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit into a double")]
    let millis = at.0 as f64;
    millis / 1000.0
}

/// What an execution draws its chance from.
pub(crate) fn seed() -> u64 {
    getrandom::u64().expect("the machine has randomness")
}

/// A random UUID.
pub(crate) fn uuid() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the machine has randomness");
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hexadecimal = u128::from_be_bytes(bytes);
    let text = format!("{hexadecimal:032x}");
    format!("{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..])
}
