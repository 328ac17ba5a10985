//! approval-callback
