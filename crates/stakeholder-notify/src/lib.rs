//! stakeholder-notify
