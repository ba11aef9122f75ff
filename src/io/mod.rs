//! Arrays, pictures and weight files, read with limits and written whole or not at all.

#[cfg(feature = "cli")]
pub mod picture;
