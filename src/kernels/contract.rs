//! Lowers contractions: convolutions and linear layers on channel blocks.
