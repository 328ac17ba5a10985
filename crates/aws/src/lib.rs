//! The AWS side of the ports.

pub mod fx;
