//! approval-watch
