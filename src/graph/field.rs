//! Receptive fields.
