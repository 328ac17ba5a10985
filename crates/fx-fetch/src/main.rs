//! fx-fetch
fn main() {}
