//! The syntax tree as text: the formatter.
