//! approval-callback
fn main() {}
