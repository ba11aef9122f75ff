//! Checks the graph's invariants.
