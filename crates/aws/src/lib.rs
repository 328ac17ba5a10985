//! The AWS side of the ports.

pub mod executions;
pub mod fx;
pub mod slack;

#[cfg(test)]
mod fake_server;
