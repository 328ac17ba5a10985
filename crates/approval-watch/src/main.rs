//! approval-watch
fn main() {}
