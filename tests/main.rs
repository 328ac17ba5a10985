//! One binary for all integration tests.

mod alarms;
mod approval_race;
mod asl;
mod attacks;
mod canary;
mod cloudformation;
mod dashboard;
mod dataset;
mod definition;
mod deliveries;
mod events;
mod expressions;
mod integrations;
mod local_aws;
mod nights;
mod project;
mod questions;
mod rooms;
mod runbook;
mod scenarios;
mod store;
mod template;
