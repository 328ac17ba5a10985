//! Words and numbers that the page and the terminal share.

use jiff::SignedDuration;
use nightly_pages::written;

/// A duration in milliseconds, as exact as a reader wants it.
pub fn took(millis: i64) -> String {
    if (1..1_000).contains(&millis) { format!("{millis}\u{202f}ms") } else { written::duration(SignedDuration::from_millis(millis)) }
}

/// `92.3 %`; never 0.0 % for something, never 100.0 % for less than all.
pub fn share(part: u64, whole: u64) -> String {
    let (part, whole) = (u128::from(part), u128::from(whole.max(1)));
    let tenths = (part * 2_000 + whole) / (whole * 2);
    match tenths {
        0 if part > 0 => "< 0.1\u{202f}%".to_owned(),
        1_000 if part < whole => "> 99.9\u{202f}%".to_owned(),
        _ => format!("{}.{}\u{202f}%", tenths / 10, tenths % 10),
    }
}

/// A name as HTML that may be broken where its words meet: after a dot, before a capital.
pub fn breakable(name: &str) -> String {
    let mut html = String::new();
    let mut before = ' ';
    for character in name.chars() {
        if before == '.' || before == '_' || before.is_lowercase() && character.is_uppercase() {
            html.push_str("<wbr>");
        }
        match character {
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '&' => html.push_str("&amp;"),
            '"' => html.push_str("&quot;"),
            _ => html.push(character),
        }
        before = character;
    }
    html
}

/// `29.8`: an average with one digit.
pub fn average(sum: u64, count: u64) -> String {
    let tenths = (u128::from(sum) * 20 + u128::from(count)) / (u128::from(count.max(1)) * 2);
    format!("{}.{}", written::integer(u64::try_from(tenths / 10).unwrap_or(u64::MAX)), tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_breaks_where_its_words_meet_and_holds_no_markup() {
        assert_eq!(breakable("Glue.SdkException"), "Glue.<wbr>Sdk<wbr>Exception");
        assert_eq!(breakable("<b> & \"c\""), "&lt;b&gt; &amp; &quot;c&quot;");
    }

    #[test]
    fn shares_never_round_something_to_nothing_or_to_all() {
        for (part, whole, text) in [
            (0, 10, "0.0 %"),
            (10, 10, "100.0 %"),
            (1, 1_000_000, "< 0.1 %"),
            (999_999, 1_000_000, "> 99.9 %"),
            (1, 3, "33.3 %"),
            (2, 3, "66.7 %"),
        ] {
            assert_eq!(share(part, whole).replace('\u{202f}', " "), text);
        }
        assert_eq!(average(298, 10), "29.8");
    }
}
