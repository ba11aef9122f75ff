//! The operations of the graph and what each computes. One page.
//!
//! `x`, `w`, `b` name the arguments in their order. `[…, C, H, W]` means that axes before the last
//! three are repeated over. Shape rules are in [`super::shape`].

/// An operation. Its arguments are in [`super::Node::args`].
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// `()`: an entry of [`super::Graph::inputs`].
    Input(u32),
    /// `()`: an entry of [`super::Graph::consts`].
    Const(u32),
    /// `()`: an entry of [`super::Graph::params`].
    Param(u32),
    /// `(x, w)` or `(x, w, b)`: cross-correlation, `x` `[…, C, H, W]`, `w` `[O, C/groups, kh, kw]`, `b` `[O]`.
    Conv(Conv),
    /// `(x, taps)`: the 2-D `taps` `[kh, kw]` applied to each channel of `x` `[…, C, H, W]` by itself.
    Filter(Window, Border),
    /// `(x, w)` or `(x, w, b)`: the adjoint of a convolution, `w` `[C, O/groups, kh, kw]`.
    ConvTranspose(ConvTranspose),
    /// `(x)`: a window's maximum or mean, for each channel.
    Pool(Pool),
    /// `(x)`: over the axes listed (in increasing order), each left with length 1.
    Reduce(ReduceKind, Vec<usize>),
    /// `(x, w)` or `(x, w, b)`: `x` `[…, I]`, `w` `[O, I]`, `b` `[O]`: `x wᵀ + b`.
    Linear,
    /// `(x, scale, shift, mean, variance)`, each `[C]`: `(x − mean) / sqrt(variance + eps) · scale + shift`
    /// for `x` `[…, C, H, W]`, or `[…, C]` where `x` has fewer than three axes.
    BatchNorm {
        /// Added to the variance.
        eps: f32,
    },
    /// `(x)`: elementwise.
    Unary(UnaryOp),
    /// `(a, b)`: elementwise; axes are aligned from the last, each pair equal or one of them 1.
    Binary(BinaryOp),
    /// `(x, slope)`: `x` where `x ≥ 0`, else `slope · x`; `slope` `[1]` or `[C]` (the axis of channels as in `BatchNorm`).
    Prelu,
    /// `(x)` or `(x, scale, shift)`: with mean and variance over each group of consecutive channels and
    /// their planes, `(x − mean) / sqrt(variance + eps) · scale + shift`; `x` `[…, C, H, W]`, or `[…, C]`
    /// where `x` has fewer than three axes; `scale` and `shift` `[C]`.
    GroupNorm {
        /// How many groups; C of them are an instance norm.
        groups: u64,
        /// Added to the variance.
        eps: f32,
    },
    /// `(x)`, `(x, scale)` or `(x, scale, shift)`: as [`Op::GroupNorm`] over the last `axes` axes together;
    /// `scale` and `shift` have those axes.
    LayerNorm {
        /// How many of the last axes, at least 1.
        axes: usize,
        /// Added to the variance.
        eps: f32,
    },
    /// `(x)`: across channels, `x / (k + alpha/size · Σ x²)^beta` with the sum over the channels
    /// `c − floor((size − 1)/2) ..= c + ceil((size − 1)/2)` that exist.
    Lrn {
        /// Channels of a window.
        size: u64,
        /// Factor of the mean square.
        alpha: f32,
        /// The exponent.
        beta: f32,
        /// Added to the mean square.
        k: f32,
    },
    /// `(x)`: `exp(x − max) / Σ exp(x − max)` along an axis of `dims`.
    Softmax {
        /// An index into `dims`.
        axis: usize,
    },
    /// `(x)`: `x − max − ln Σ exp(x − max)` along an axis of `dims`.
    LogSoftmax {
        /// An index into `dims`.
        axis: usize,
    },
    /// `(a, b)`: matrix products of the last two axes, `[…, M, K]` by `[…, K, N]`; the axes before are
    /// equal, or 1 or missing in one of them. Both have at least two axes.
    MatMul,
    /// `(a, b, …)`: joined along an axis of `dims`.
    Concat {
        /// An index into `dims`.
        axis: usize,
    },
    /// `(x)`: for each axis of `dims`, the elements `start + i·step`; how many is said by the result.
    Slice {
        /// First element of each axis.
        start: Vec<u64>,
        /// From one element to the next; not 0, negative for the reverse order.
        step: Vec<i64>,
    },
    /// `(x)`: elements added before and after each axis of `dims`.
    Pad {
        /// How many before each axis.
        before: Vec<u64>,
        /// How many after each axis.
        after: Vec<u64>,
        /// What they hold.
        mode: PadMode,
    },
    /// `(x)`: the last two axes resampled to the result's.
    Resize(Resize),
    /// `(x)`: `[…, C·r², H, W]` to `[…, C, H·r, W·r]`: channel `c·r² + i·r + j` goes to row phase `i`, column phase `j`.
    PixelShuffle {
        /// The upscaling factor r.
        factor: u64,
    },
    /// `(x)`: the same elements in row-major order under other `dims`.
    Reshape,
    /// `(x)`: axes of length 1, or missing in front, repeated to the result's.
    Expand,
    /// `(x, dy)`: the gradient of the weight `[O, C/groups, kh, kw]` of a convolution over zeros, from its input
    /// `[…, C, H, W]` and the gradient of its output `[…, O, H′, W′]`: `Σ dy[o, y, x] · x[c, y·s − pad + i·d, …]` over
    /// all pixels and all axes in front.
    WeightGrad(Conv),
    /// `(x, dy)`: the gradient of the input of a max pool: each `dy` goes to the first of its window's elements, row
    /// by row, that is the maximum.
    MaxPoolGrad(Window),
    /// `(x)`: axis `i` of the result is axis `perm[i]` of `x`.
    Transpose {
        /// A permutation of the axes of `dims`.
        perm: Vec<usize>,
    },
}

/// A kernel's window on the last two axes, `[h, w]` each.
///
/// Effective size `k_eff = (k − 1)·d + 1`; output `o` looks at rows `o·s − pad + i·d`, `i < k`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Taps.
    pub kernel: [u64; 2],
    /// Step of the output in the input.
    pub stride: [u64; 2],
    /// Step of the taps in the input.
    pub dilation: [u64; 2],
    /// Rows and columns assumed around the input.
    pub pad: Pads,
}

impl Window {
    /// The effective size along axis 0 (h) or 1 (w).
    pub fn effective(&self, axis: usize) -> u64 {
        (self.kernel[axis] - 1) * self.dilation[axis] + 1
    }
}

/// Padding on each side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pads {
    /// Rows above.
    pub top: u64,
    /// Rows below.
    pub bottom: u64,
    /// Columns on the left.
    pub left: u64,
    /// Columns on the right.
    pub right: u64,
}

impl Pads {
    /// What stands before the axis, 0 (h) or 1 (w).
    pub fn before(&self, axis: usize) -> u64 {
        if axis == 0 { self.top } else { self.left }
    }

    /// What stands after the axis, 0 (h) or 1 (w).
    pub fn after(&self, axis: usize) -> u64 {
        if axis == 0 { self.bottom } else { self.right }
    }
}

/// What a convolution finds outside its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Border {
    /// Zeros.
    Zero,
    /// The nearest element.
    Replicate,
    /// Mirrored, the edge not repeated: `c b | a b c | b a`.
    Reflect,
    /// The opposite side: `b c | a b c | a b`.
    Wrap,
}

/// See [`Op::Conv`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Conv {
    /// The window.
    pub window: Window,
    /// What lies around the input.
    pub border: Border,
    /// Channel groups that do not see each other.
    pub groups: u64,
}

/// See [`Op::ConvTranspose`]: `out = (n − 1)·s − p + k_eff + output_pad`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConvTranspose {
    /// The window of the convolution that this is the adjoint of.
    pub window: Window,
    /// Rows and columns added at the bottom and on the right of the output.
    pub output_pad: [u64; 2],
    /// Channel groups that do not see each other.
    pub groups: u64,
}

/// See [`Op::Pool`]. Windows may reach past the padded input where the shape was rounded up; what
/// lies there is neither compared nor counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pool {
    /// Maximum, mean or norm.
    pub kind: PoolKind,
    /// The window.
    pub window: Window,
}

/// What a pool computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PoolKind {
    /// The maximum; padding is ignored; NaN if any element is.
    Max,
    /// The mean over the window clipped to the padded input, or, without `count_include_pad`, to the input.
    Average {
        /// Whether padding counts in the divisor.
        count_include_pad: bool,
    },
    /// `(Σ |x|^p)^(1/p)`; padding counts as 0.
    Lp {
        /// The exponent, at least 1.
        p: u32,
    },
}

/// What a reduction computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReduceKind {
    /// Σ x
    Sum,
    /// Σ x / n
    Mean,
    /// The maximum; NaN if any element is.
    Max,
}

/// Elementwise functions of one argument.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum UnaryOp {
    /// `−x`
    Neg,
    /// `|x|`
    Abs,
    /// −1, 0 or 1; NaN stays NaN.
    Sign,
    /// `√x`
    Sqrt,
    /// `eˣ`
    Exp,
    /// `ln x`
    Log,
    /// `1 / x`
    Reciprocal,
    /// The error function.
    Erf,
    /// `max(0, x)`; NaN stays NaN.
    Relu,
    /// `min(max(x, lo), hi)`; NaN stays NaN.
    Clamp {
        /// Lower bound.
        lo: f32,
        /// Upper bound.
        hi: f32,
    },
    /// `x` where `x ≥ 0`, else `slope · x`.
    LeakyRelu {
        /// The factor for negative x.
        slope: f32,
    },
    /// `x` where `x > 0`, else `alpha · (eˣ − 1)`.
    Elu {
        /// The limit for x → −∞ is −alpha.
        alpha: f32,
    },
    /// `gamma · (x` where `x > 0`, else `alpha · (eˣ − 1))`.
    Selu {
        /// α
        alpha: f32,
        /// γ
        gamma: f32,
    },
    /// `max(0, x) + min(0, alpha · (e^{x/alpha} − 1))`
    Celu {
        /// α
        alpha: f32,
    },
    /// `x · Φ(x) = x/2 · (1 + erf(x/√2))`
    Gelu,
    /// `x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))`
    GeluTanh,
    /// `x · sigmoid(x)`
    Silu,
    /// `1 / (1 + e⁻ˣ)`
    Sigmoid,
    /// `tanh x`
    Tanh,
    /// `ln(1 + eˣ)`
    Softplus,
    /// `x / (1 + |x|)`
    Softsign,
    /// `x · tanh(softplus x)`
    Mish,
    /// `min(max(alpha · x + beta, 0), 1)`
    HardSigmoid {
        /// Slope; 1/6 in PyTorch.
        alpha: f32,
        /// Offset; 0.5.
        beta: f32,
    },
    /// `x · min(max(x/6 + 0.5, 0), 1)`
    HardSwish,
    /// `x` where `x > alpha`, else 0; NaN becomes 0.
    ThresholdedRelu {
        /// The threshold.
        alpha: f32,
    },
}

/// Elementwise functions of two arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    /// `a + b`
    Add,
    /// `a − b`
    Sub,
    /// `a · b`
    Mul,
    /// `a / b`
    Div,
    /// `aᵇ`, as C's `powf`
    Pow,
    /// The smaller; NaN if either is.
    Min,
    /// The larger; NaN if either is.
    Max,
}

/// What [`Op::Pad`] puts around a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PadMode {
    /// One number.
    Constant(f32),
    /// As [`Border::Replicate`].
    Replicate,
    /// As [`Border::Reflect`].
    Reflect,
    /// As [`Border::Wrap`].
    Wrap,
}

/// See [`Op::Resize`]: output position `o` of an axis of `n` elements resampled to `m` reads around
/// the input coordinate that `coordinates` gives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Resize {
    /// How elements around a coordinate are combined.
    pub mode: ResizeMode,
    /// How an output position becomes an input coordinate.
    pub coordinates: Coordinates,
    /// The factor m/n of each axis `[h, w]`, which need not be exactly the quotient of the sizes.
    pub scale: [f64; 2],
    /// Whether neighbours outside the input count for nothing and the weights of the others are scaled
    /// to sum to 1; otherwise the element at the edge stands for them. Linear and cubic only.
    pub exclude_outside: bool,
    /// Whether, where an axis shrinks, the kernel is stretched by 1/scale, as in PIL; its weights are
    /// scaled to sum to 1. Linear and cubic only.
    pub antialias: bool,
    /// Whether the tables are transposed: the gradient of the resize from the result's sizes to the argument's.
    pub adjoint: bool,
}

/// How elements around a coordinate are combined.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ResizeMode {
    /// One element.
    Nearest(Nearest),
    /// The two neighbours along each axis; coordinates are clamped to the input.
    Linear,
    /// The four neighbours along each axis, Keys' cubic with parameter `a`; indices are clamped.
    Cubic {
        /// −0.75 in PyTorch and ONNX.
        a: f32,
    },
}

/// How a coordinate is rounded to an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nearest {
    /// Downwards, as PyTorch does.
    Floor,
    /// Upwards.
    Ceil,
    /// To nearest, halves downwards, as ONNX does.
    RoundPreferFloor,
    /// To nearest, halves upwards.
    RoundPreferCeil,
}

/// How an output position becomes an input coordinate, with scale s. The names and formulas are those of
/// ONNX's `coordinate_transformation_mode`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Coordinates {
    /// `(o + 0.5)/s − 0.5`
    HalfPixel,
    /// As `HalfPixel`, the result centred: with `a = m/(n·s)`, `n/2·(1 − a) + (o + 0.5)/s − 0.5`.
    HalfPixelSymmetric,
    /// As `HalfPixel`, but 0 where m = 1.
    PytorchHalfPixel,
    /// `(o + 0.5)/s`
    TfHalfPixelForNn,
    /// `o/s`
    Asymmetric,
    /// `o·(n − 1)/(m − 1)`, 0 where m = 1
    AlignCorners,
    /// `start·(n − 1) + o·(end − start)·(n − 1)/(m − 1)`, or `(start + end)/2·(n − 1)` where m = 1: a crop.
    TfCropAndResize {
        /// `[start, end]` of each axis `[h, w]`, as shares of it.
        roi: [[f32; 2]; 2],
        /// What positions outside of the input get.
        extrapolation: f32,
    },
}
