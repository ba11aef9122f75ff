//! Lowers pooling.
