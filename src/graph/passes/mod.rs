//! Graph → Graph: passes that keep the result.
