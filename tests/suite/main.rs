//! Tests of the library from outside, in one binary: each module is one subject.
mod convolutions;
mod elementwise;
mod executors;

mod syntax;
