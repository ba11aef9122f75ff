//! Ast → Graph: names, blocks, arguments and shapes.
