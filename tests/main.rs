//! One binary for all integration tests.

mod alarms;
mod approval_race;
mod asl;
mod attacks;
mod canary;
mod cloudformation;
mod definition;
mod events;
mod expressions;
mod integrations;
mod nights;
mod project;
mod rooms;
mod runbook;
mod scenarios;
mod store;
mod template;
