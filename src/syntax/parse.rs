//! Text → syntax tree. The only file that names pest.
