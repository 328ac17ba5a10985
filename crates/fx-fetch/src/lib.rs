//! fx-fetch
