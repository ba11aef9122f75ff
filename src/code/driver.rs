//! Drivers: the loops of a step, compiled by Cranelift.
