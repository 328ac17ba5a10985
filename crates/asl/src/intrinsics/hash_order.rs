//! The order in which `States.ArrayUnique` hands on what is left: that of a Java hash set, which is what AWS shows
//! (`[true, false]` comes out as `[false, true]`, `[[1, 2], [2, 1]]` the other way round).

use serde_json::{Number, Value};

/// Every value once.
pub(super) fn unique(items: &[Value]) -> Vec<Value> {
    let mut distinct: Vec<(u32, &Value)> = Vec::new();
    for item in items {
        let hash = java_hash(item).cast_unsigned();
        let spread = hash ^ (hash >> 16);
        if !distinct.iter().any(|(known, value)| *known == spread && *value == item) {
            distinct.push((spread, item));
        }
    }
    // A table begins with 16 buckets and doubles when it is more than three quarters full.
    let mut buckets = 16_u32;
    while distinct.len() > buckets as usize / 4 * 3 {
        buckets *= 2;
    }
    distinct.sort_by_key(|(spread, _)| spread & (buckets - 1));
    distinct.into_iter().map(|(_, value)| value.clone()).collect()
}

/// What `hashCode` gives for a value as Java's lists, maps, strings and boxes hold it.
fn java_hash(value: &Value) -> i32 {
    match value {
        Value::Null => 0,
        Value::Bool(true) => 1231,
        Value::Bool(false) => 1237,
        Value::Number(number) => number_hash(number),
        Value::String(text) => text_hash(text),
        Value::Array(items) => items.iter().fold(1, |hash: i32, item| hash.wrapping_mul(31).wrapping_add(java_hash(item))),
        Value::Object(fields) => fields.iter().fold(0, |hash: i32, (key, field)| hash.wrapping_add(text_hash(key) ^ java_hash(field))),
    }
}

fn text_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0, |hash: i32, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

fn number_hash(number: &Number) -> i32 {
    match number.as_i64() {
        Some(whole) => i32::try_from(whole).unwrap_or_else(|_| folded(whole.cast_unsigned())),
        None => folded(number.as_f64().unwrap_or_default().to_bits()),
    }
}

/// The two halves of a long or a double, one over the other.
fn folded(bits: u64) -> i32 {
    #[expect(clippy::cast_possible_truncation, reason = "the lower half is what is wanted")]
    let half = (bits ^ (bits >> 32)) as u32;
    half.cast_signed()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_left_is_in_the_order_of_a_hash_set() {
        for (items, expected) in [
            (json!([1, 2, 3, 3, 3, 4]), json!([1, 2, 3, 4])),
            (json!([true, false, true]), json!([false, true])),
            (json!([[1, 2], [1, 2], [2, 1]]), json!([[2, 1], [1, 2]])),
            (json!([null, null, 1, null]), json!([null, 1])),
            (json!([1, "1", "01"]), json!([1, "1", "01"])),
            (json!([{"a": 1, "b": 2}, {"b": 2, "a": 1}]), json!([{"a": 1, "b": 2}])),
            (json!(["b", "a", "b"]), json!(["a", "b"])),
            (json!([]), json!([])),
        ] {
            assert_eq!(Value::Array(unique(items.as_array().unwrap())), expected, "{items}");
        }
    }

    #[test]
    fn hashes_are_javas() {
        for (value, hash) in [
            (json!("hello"), 99_162_322),
            (json!([1, 2]), 994),
            (json!(1.5), 1_073_217_536),
            (json!(4_294_967_296_i64), 1),
            (json!(-1), -1),
        ] {
            assert_eq!(java_hash(&value), hash, "{value}");
        }
    }
}
