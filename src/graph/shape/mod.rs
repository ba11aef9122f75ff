//! The shape rules: pure functions on numbers, with checked arithmetic.
//!
//! Each returns the value, or a [`ShapeError`] that holds the formula with its numbers put in.
//! Everything is one axis at a time where it can be; `check` asks for the height and the width
//! separately, because one of them may be known before the other. [`infer`] applies the rules to
//! whole operations, for [`super::verify`] and for whoever builds a graph without a text.

mod axes;
pub mod infer;
mod movement;
mod resample;
mod transposed;
mod window;

pub use axes::{broadcast, broadcast_axis, channel_axis, concat, crop, elements, group, pixel_shuffle};
pub use movement::{Range, axes, blocks, pad_axis, permutation, range, reshape};
pub use resample::{scaled, scaled_by};
pub use transposed::{TransposedAlong, pads_for_output};
pub use window::{Along, Padding, border_fits, check_window, pad_that_gives, total_split};

use crate::diag::Code;

/// Why a shape rule does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShapeError {
    /// The kind of mistake.
    pub code: Code,
    /// The setting that the caret should stand under (`kernel`), or `""` for the layer as a whole.
    pub about: &'static str,
    /// One sentence: what is wrong.
    pub message: String,
    /// Formulas with their numbers.
    pub notes: Vec<String>,
    /// What would mend it.
    pub help: Vec<String>,
}

impl ShapeError {
    /// An error about a setting.
    pub fn new(code: Code, about: &'static str, message: impl Into<String>) -> Self {
        ShapeError { code, about, message: message.into(), notes: Vec::new(), help: Vec::new() }
    }

    /// Adds a formula or a shape.
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    /// Adds what would mend it.
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }
}

impl std::fmt::Display for ShapeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        for note in &self.notes {
            write!(f, "; {note}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ShapeError {}

/// What a rule returns.
pub type Rule<T> = Result<T, ShapeError>;

/// The axis that a window moves along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// The second last.
    Height,
    /// The last.
    Width,
}

impl Axis {
    /// Both, in the order of `dims`.
    pub const BOTH: [Axis; 2] = [Axis::Height, Axis::Width];

    /// 0 for the height, 1 for the width.
    pub const fn index(self) -> usize {
        match self {
            Axis::Height => 0,
            Axis::Width => 1,
        }
    }

    /// `height` or `width`.
    pub const fn name(self) -> &'static str {
        match self {
            Axis::Height => "height",
            Axis::Width => "width",
        }
    }

    /// What is counted along it.
    pub const fn unit(self) -> &'static str {
        match self {
            Axis::Height => "rows",
            Axis::Width => "columns",
        }
    }
}

/// The error for arithmetic that left `u64`.
fn overflow(about: &'static str, what: &str) -> ShapeError {
    ShapeError::new(Code::Overflow, about, format!("{what} is too large to compute with"))
}

#[cfg(test)]
mod tests;
