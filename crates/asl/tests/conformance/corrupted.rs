//! The judge is judged: a recording that was tampered with must not agree.
