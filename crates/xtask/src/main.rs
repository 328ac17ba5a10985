//! `cargo xtask night | test | bench`.
fn main() {}
