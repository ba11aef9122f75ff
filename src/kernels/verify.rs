//! Checks the invariants of kernels and steps.
