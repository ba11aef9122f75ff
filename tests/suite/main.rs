//! Tests of the library from outside, in one binary: each module is one subject.
mod convolutions;
mod executors;

mod syntax;
