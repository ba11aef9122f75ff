//! Code → running programs. The only part with unsafe code.

pub mod params;
