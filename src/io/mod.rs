//! Arrays, pictures and weight files, read with limits and written whole or not at all.

pub mod atomic;
mod error;
pub mod idx;
pub mod npy;
#[cfg(feature = "cli")]
pub mod npz;
#[cfg(feature = "cli")]
pub mod picture;
pub mod safe_file;

pub use error::FileError;
