//! AWS's TestState: one state, tried by itself.
