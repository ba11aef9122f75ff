//! Tests of the library from outside, in one binary: each module is one subject.
mod check;
mod convolutions;
mod executors;

mod syntax;
