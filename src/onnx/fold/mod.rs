//! What is known when a network is imported is computed then: shape arithmetic, and arithmetic on weights.

mod arithmetic;
mod arrange;
mod fill;
mod reduce;

pub use arrange::{slices, split_lengths};
pub use fill::shape_of;
pub use reduce::reduced_axes;

use super::call::Call;
use super::error::OnnxError;
use super::tensor::Constant;
use crate::limits;

/// A function that computes a node's outputs from known inputs.
pub type Fold = fn(&Call<'_>, &mut Room) -> Result<Vec<Constant>, OnnxError>;

/// What can be computed at import, by operator.
pub const FOLDS: &[(&str, Fold)] = &[
    ("Abs", arithmetic::unary),
    ("Add", arithmetic::binary),
    ("And", arithmetic::logic),
    ("Cast", fill::cast),
    ("Ceil", arithmetic::unary),
    ("Concat", arrange::concat),
    ("Constant", fill::constant),
    ("ConstantOfShape", fill::constant_of_shape),
    ("Div", arithmetic::binary),
    ("Dropout", fill::identity),
    ("Equal", arithmetic::compare),
    ("Exp", arithmetic::unary),
    ("Expand", arrange::expand),
    ("Flatten", arrange::flatten),
    ("Floor", arithmetic::unary),
    ("Gather", arrange::gather),
    ("Greater", arithmetic::compare),
    ("GreaterOrEqual", arithmetic::compare),
    ("Identity", fill::identity),
    ("Less", arithmetic::compare),
    ("LessOrEqual", arithmetic::compare),
    ("Max", arithmetic::binary),
    ("Min", arithmetic::binary),
    ("Mod", arithmetic::binary),
    ("Mul", arithmetic::binary),
    ("Neg", arithmetic::unary),
    ("Not", arithmetic::unary),
    ("Or", arithmetic::logic),
    ("Pow", arithmetic::binary),
    ("Range", fill::range),
    ("Reciprocal", arithmetic::unary),
    ("ReduceMax", reduce::reduce),
    ("ReduceMean", reduce::reduce),
    ("ReduceMin", reduce::reduce),
    ("ReduceProd", reduce::reduce),
    ("ReduceSum", reduce::reduce),
    ("Reshape", arrange::reshape),
    ("Round", arithmetic::unary),
    ("Shape", fill::shape),
    ("Size", fill::shape),
    ("Slice", arrange::slice),
    ("Split", arrange::split),
    ("Sqrt", arithmetic::unary),
    ("Squeeze", arrange::squeeze),
    ("Sub", arithmetic::binary),
    ("Sum", arithmetic::binary),
    ("Tile", arrange::tile),
    ("Transpose", arrange::transpose),
    ("Unsqueeze", arrange::unsqueeze),
    ("Where", arithmetic::choose),
];

/// The function for an operator.
pub fn fold_of(op: &str) -> Option<Fold> {
    FOLDS.iter().find(|(name, _)| *name == op).map(|(_, fold)| *fold)
}

/// How much memory constants that are computed may still take.
#[derive(Debug)]
pub struct Room {
    spent: u64,
    limit: u64,
}

impl Room {
    /// Room for a network with so many bytes of constants.
    pub fn beside(bytes: u64) -> Room {
        let more = bytes.saturating_mul(limits::ONNX_FOLDED_RATIO);
        Room { spent: 0, limit: limits::ONNX_FOLDED_BYTES.saturating_add(more) }
    }

    /// Takes room before memory is allocated.
    ///
    /// # Errors
    /// If there is not so much.
    pub fn take(&mut self, bytes: u64) -> Result<(), OnnxError> {
        self.spent = self.spent.saturating_add(bytes);
        if self.spent <= self.limit {
            return Ok(());
        }
        let what = "bytes of constants that are computed at import".to_owned();
        Err(OnnxError::Limit { what, found: self.spent, limit: self.limit })
    }

    /// Takes room for elements of the widest type under some axes.
    ///
    /// # Errors
    /// If there is not so much.
    pub fn elements(&mut self, dims: &[u64]) -> Result<(), OnnxError> {
        self.take(super::tensor::count(dims).unwrap_or(u64::MAX).saturating_mul(8))
    }
}

/// The error for arithmetic that cannot be, found only when a constant is made.
fn made(call: &Call<'_>, constant: Option<Constant>) -> Result<Constant, OnnxError> {
    constant.ok_or_else(|| call.invalid("its constant result has no shape that fits"))
}
