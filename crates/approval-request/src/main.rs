//! approval-request
fn main() {}
