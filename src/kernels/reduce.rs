//! Lowers reductions.
