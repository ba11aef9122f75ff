//! Lowers convolutions on planar buffers.
