//! Lowers resampling.
