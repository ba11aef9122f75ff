//! The reference: runs a graph as it is, accumulating in f64.
