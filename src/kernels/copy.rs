//! Lowers strided copies.
