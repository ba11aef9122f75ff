//! Lowers depthwise convolutions and filters.
