//! Which elements a resized axis reads, and with which weights.
