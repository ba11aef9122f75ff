//! Lowers softmax.
