mod each;
mod harness;
mod native;
mod random;
mod shape;
