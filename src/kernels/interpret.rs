//! Runs kernels and steps without machine code, every access checked.
