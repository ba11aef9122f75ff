//! Text → [`Ast`](ast::File).
//!
//! The grammar is `grammar/conv.pest`; only `parse` names pest. The tree keeps every span and every
//! comment, so that its printer is the formatter ([`format()`]).

pub mod ast;
mod dump;
mod parse;
mod print;
#[cfg(test)]
mod testing;

pub use dump::dump;
pub use parse::parse;
pub use print::format;
