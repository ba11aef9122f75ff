//! Tests of the library from outside, in one binary: each module is one subject.
mod cases;
mod check;
mod convolutions;
mod elementwise;
mod examples;
mod executors;
mod inner_loop;
mod library;
mod movement;
mod nets;
mod onnx;
mod onnx_blocks;
mod onnx_coverage;
mod onnx_import;
mod onnx_nets;
mod onnx_trip;
mod passes;
mod pipelines;
mod planning;
mod random;
mod recorded;
mod stages;
mod textbook;
mod threads;
mod winograd;

mod syntax;
