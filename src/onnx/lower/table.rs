//! Which operators are lowered, and by what.

use super::super::call::{Call, Live, Value};
use super::builder::{Builder, Lowered};
use super::{activation, conv, cut, dense, elementwise, join, norm, pad, pool, rearrange, reduce, resample};

/// How an operator is lowered.
#[derive(Clone, Copy)]
pub enum How {
    /// To one value.
    One(fn(&mut Builder<'_>, &Call<'_>) -> Lowered<Live>),
    /// To several, of which some may be left out.
    Many(fn(&mut Builder<'_>, &Call<'_>) -> Lowered<Vec<Option<Value>>>),
    /// Not at all, for this reason.
    Refused(&'static str),
}

const SUBGRAPH: &str = "it has a graph of its own, which runs or not, or often, by what the input holds";
const PLACES: &str = "it gives places (whole numbers); only floating point values are computed";
const STATE: &str = "recurrent networks are not supported";
const QUANTISED: &str = "quantised networks are not supported";
const RANDOM: &str = "its result is random";
const COUNTED: &str = "how large its result is depends on what the input holds";

/// Every operator that depends on an input, by name.
pub const OPERATORS: &[(&str, How)] = &[
    ("Abs", How::One(activation::function)),
    ("Add", How::One(elementwise::arithmetic)),
    ("ArgMax", How::Refused(PLACES)),
    ("ArgMin", How::Refused(PLACES)),
    ("AveragePool", How::One(pool::pool)),
    ("BatchNormalization", How::Many(norm::batch)),
    ("Bernoulli", How::Refused(RANDOM)),
    ("Cast", How::One(rearrange::cast)),
    ("Celu", How::One(activation::activation)),
    ("Clip", How::One(activation::clip)),
    ("Concat", How::One(join::concat)),
    ("Conv", How::One(conv::conv)),
    ("ConvInteger", How::Refused(QUANTISED)),
    ("ConvTranspose", How::One(conv::conv_transpose)),
    ("DepthToSpace", How::One(rearrange::depth)),
    ("DequantizeLinear", How::Refused(QUANTISED)),
    ("Div", How::One(elementwise::arithmetic)),
    ("Dropout", How::One(rearrange::dropout)),
    ("DynamicQuantizeLinear", How::Refused(QUANTISED)),
    ("Elu", How::One(activation::activation)),
    ("Erf", How::One(activation::function)),
    ("Exp", How::One(activation::function)),
    ("Expand", How::One(join::expand)),
    ("Flatten", How::One(rearrange::flatten)),
    ("GRU", How::Refused(STATE)),
    ("Gather", How::One(cut::gather)),
    ("Gelu", How::One(activation::activation)),
    ("Gemm", How::One(dense::gemm)),
    ("GlobalAveragePool", How::One(pool::global)),
    ("GlobalLpPool", How::One(pool::global)),
    ("GlobalMaxPool", How::One(pool::global)),
    ("GroupNormalization", How::One(norm::group)),
    ("HardSigmoid", How::One(activation::activation)),
    ("HardSwish", How::One(activation::activation)),
    ("Identity", How::One(rearrange::identity)),
    ("If", How::Refused(SUBGRAPH)),
    ("InstanceNormalization", How::One(norm::instance)),
    ("LRN", How::One(norm::lrn)),
    ("LSTM", How::Refused(STATE)),
    ("LayerNormalization", How::One(norm::layer)),
    ("LeakyRelu", How::One(activation::activation)),
    ("Log", How::One(activation::function)),
    ("LogSoftmax", How::One(activation::softmax)),
    ("Loop", How::Refused(SUBGRAPH)),
    ("LpNormalization", How::One(norm::lp)),
    ("LpPool", How::One(pool::pool)),
    ("MatMul", How::One(dense::matmul)),
    ("MatMulInteger", How::Refused(QUANTISED)),
    ("Max", How::One(elementwise::extreme)),
    ("MaxPool", How::One(pool::pool)),
    ("MaxUnpool", How::Refused(PLACES)),
    ("Mean", How::One(elementwise::sum)),
    ("MeanVarianceNormalization", How::One(norm::mean_variance)),
    ("Min", How::One(elementwise::extreme)),
    ("Mish", How::One(activation::activation)),
    ("Mul", How::One(elementwise::arithmetic)),
    ("Multinomial", How::Refused(RANDOM)),
    ("Neg", How::One(activation::inverse)),
    ("NonMaxSuppression", How::Refused(COUNTED)),
    ("NonZero", How::Refused(COUNTED)),
    ("PRelu", How::One(activation::prelu)),
    ("Pad", How::One(pad::pad)),
    ("Pow", How::One(elementwise::pow)),
    ("QLinearConv", How::Refused(QUANTISED)),
    ("QLinearMatMul", How::Refused(QUANTISED)),
    ("QuantizeLinear", How::Refused(QUANTISED)),
    ("RNN", How::Refused(STATE)),
    ("RandomNormal", How::Refused(RANDOM)),
    ("RandomNormalLike", How::Refused(RANDOM)),
    ("RandomUniform", How::Refused(RANDOM)),
    ("RandomUniformLike", How::Refused(RANDOM)),
    ("Reciprocal", How::One(activation::inverse)),
    ("ReduceL1", How::One(reduce::reduce)),
    ("ReduceL2", How::One(reduce::reduce)),
    ("ReduceLogSum", How::One(reduce::reduce)),
    ("ReduceLogSumExp", How::One(reduce::reduce)),
    ("ReduceMax", How::One(reduce::reduce)),
    ("ReduceMean", How::One(reduce::reduce)),
    ("ReduceMin", How::One(reduce::reduce)),
    ("ReduceSum", How::One(reduce::reduce)),
    ("ReduceSumSquare", How::One(reduce::reduce)),
    ("Relu", How::One(activation::activation)),
    ("Reshape", How::One(rearrange::reshape)),
    ("Resize", How::One(resample::resize)),
    ("Scan", How::Refused(SUBGRAPH)),
    ("Selu", How::One(activation::activation)),
    ("Sigmoid", How::One(activation::activation)),
    ("Silu", How::One(activation::activation)),
    ("Slice", How::One(cut::slice)),
    ("Softmax", How::One(activation::softmax)),
    ("Softplus", How::One(activation::activation)),
    ("Softsign", How::One(activation::activation)),
    ("SpaceToDepth", How::One(rearrange::depth)),
    ("Split", How::Many(cut::split)),
    ("Sqrt", How::One(activation::function)),
    ("Squeeze", How::One(rearrange::squeeze)),
    ("Sub", How::One(elementwise::arithmetic)),
    ("Sum", How::One(elementwise::sum)),
    ("Swish", How::One(activation::swish)),
    ("Tanh", How::One(activation::activation)),
    ("ThresholdedRelu", How::One(activation::activation)),
    ("Tile", How::One(join::tile)),
    ("TopK", How::Refused(PLACES)),
    ("Transpose", How::One(rearrange::transpose)),
    ("Unique", How::Refused(COUNTED)),
    ("Unsqueeze", How::One(rearrange::unsqueeze)),
    ("Upsample", How::One(resample::resize)),
];

/// How an operator is lowered.
pub fn how(op: &str) -> Option<How> {
    OPERATORS.iter().find(|(name, _)| *name == op).map(|(_, how)| *how)
}
