//! Lowers conversions between planar and blocked buffers.
