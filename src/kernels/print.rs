//! Kernels and steps as text.
