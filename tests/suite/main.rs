//! Tests of the library from outside, in one binary: each module is one subject.
mod cases;
mod check;
mod convolutions;
mod elementwise;
mod executors;
mod nets;
mod recorded;
mod resampling;

mod syntax;
