//! Tests of the command, as a program: each module is one subject. Every file is made by the test.

mod harness;
mod make;

mod bad_arrays;
mod bad_models;
mod bad_pictures;
mod bad_places;
mod bad_weights;
mod basics;
mod bench;
mod each;
mod fmt;
mod inputs;
mod networks;
mod outputs;
mod reports;
mod traces;
mod train;
mod train_pair;
mod train_refusals;

/// A model that changes nothing in 0..1: what goes in comes out.
const SAME: &str = "model same {\n  input x [1, H, W]\n  y = relu\n}\n";
/// The same for three channels.
const SAME_RGB: &str = "model same {\n  input x [3, H, W]\n  y = relu\n}\n";
