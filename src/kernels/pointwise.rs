//! Lowers elementwise expressions.
