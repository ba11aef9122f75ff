//! Lowers the packing of contraction weights.
