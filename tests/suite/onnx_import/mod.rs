//! Networks built message by message, read and lowered; drafts are compared with lines written by hand.
mod batch;
mod dense;
mod elementwise;
mod folding;
mod hostile;
mod layers;
mod models;
mod movement;
mod mutations;
mod names;
