//! Weights: from files, from seeds, packed.
