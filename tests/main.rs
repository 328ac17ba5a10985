//! One binary for all integration tests.

mod asl;
mod cloudformation;
mod definition;
mod expressions;
mod faults;
mod integrations;
mod project;
mod rooms;
mod template;
