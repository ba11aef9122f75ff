//! Lowered → Code.
