//! approval-request
