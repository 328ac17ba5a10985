//! stakeholder-notify
fn main() {}
