//! One binary for all integration tests.

mod asl;
mod cloudformation;
mod definition;
mod events;
mod expressions;
mod faults;
mod integrations;
mod project;
mod rooms;
mod runbook;
mod template;
