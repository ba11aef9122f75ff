//! The kinds of task. One page.

use super::{BufferId, Fill};
use crate::graph::{self, BinaryOp, PoolKind, ReduceKind, UnaryOp};

/// One thing to do: reads buffers, writes one.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// The layer it is for.
    pub name: String,
    /// What is done.
    pub kind: TaskKind,
    /// What is written.
    pub out: BufferId,
    /// Why it is done this way, for people.
    pub reason: String,
}

/// The kinds of task. Unless said otherwise, planar and blocked buffers are both taken, and all
/// buffers of a task have the same layout kind.
#[derive(Clone, Debug, PartialEq)]
pub enum TaskKind {
    /// A contraction over channels and taps into channel blocks.
    Contract(Contract),
    /// A 3×3 convolution of channel blocks by Winograd's filtering.
    Winograd(Winograd),
    /// Its inputs, transformed: `[chunk][position][channel block][tile][8]`, a position taking
    /// [`Tiles::pitch`] bytes.
    WinogradTiles(Tiles),
    /// Products of matrices, and linear layers of several rows.
    MatMul(MatMul),
    /// A convolution on planar buffers, vectors along the row; any groups.
    PlanarConv(PlanarConv),
    /// Each channel by itself; both layouts.
    Depthwise(Depthwise),
    /// Maximum or mean of windows; both layouts.
    Pool(Pool),
    /// The gradient of a convolution's weight.
    WeightGrad(WeightGrad),
    /// The gradient of a max pool's input.
    MaxPoolGrad(MaxPoolGrad),
    /// Elementwise; operands are broadcast where an axis is 1.
    Pointwise(Pointwise),
    /// Over axes of `[lead, channels, height, width]`; the result has 1 there.
    Reduce(Reduce),
    /// Along one axis of a planar buffer.
    Softmax(Softmax),
    /// The last two axes of a planar buffer resampled.
    Resize(Resize),
    /// Elements copied between planar (or equal blocked) buffers under strides.
    Copy(StridedCopy),
    /// Planar to blocked or back, halo of the source ignored.
    Convert {
        /// Read.
        x: BufferId,
    },
    /// Fills the halo of `out` from its inside; both layouts.
    FillHalo(Fill),
    /// A contraction's weights into panels; see [`Contract::w`].
    PackPanels(PackPanels),
    /// A convolution's weights transformed into panels; see [`Winograd::w`].
    PackWinograd(PackWinograd),
}

/// `out[o, y, x] = epilogue(Σ_{c, t} x[c, y·sy + t.dy, x·sx + t.dx] · w[o, c, t])`.
///
/// `x` is planar or blocked, `out` is blocked. Reads only inside `x` and its halo. Also a linear
/// layer: the features are channels of a 1×1 picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Contract {
    /// Read.
    pub x: BufferId,
    /// Panels: `[group][panel][channel block][tap][lane][vectors · 8]`, a channel block being 8 channels
    /// (blocked x) or 1 (planar x); the last panel of a group may have fewer vectors.
    pub w: BufferId,
    /// `[1, channels, 1, 1]` blocked, or none.
    pub bias: Option<BufferId>,
    /// Channel groups; with blocked `x`, channels per group are multiples of 8 on both sides, or groups is 1.
    pub groups: u64,
    /// The taps in the order of the panels: row and column offsets in `x` from `(y·sy, x·sx)`.
    pub taps: Vec<(i32, i32)>,
    /// Step of the output in the input, `[h, w]`.
    pub stride: [u32; 2],
    /// The output rows and columns written: start, step and count, `[h, w]`. `((0, 1, h), (0, 1, w))`
    /// but for a phase of a transposed convolution; output index i stands for position `start + i·step`.
    pub phase: [Phase; 2],
    /// Vectors (of 8 output channels) in a tile, at most; an even number of them may be in wide registers.
    pub vectors: u32,
    /// Pixels in a tile, at most.
    pub pixels: u32,
    /// Applied to each sum.
    pub epilogue: Epilogue,
}

/// A convolution of 3×3 taps at stride 1, with any dilation, tile by tile of m×m outputs:
/// `out[o] = epilogue(bias[o] + Aᵀ (Σ_c (G w[o, c] Gᵀ) ⊙ (Bᵀ d[c] B)) A)`, d being the (m+2)×(m+2) inputs
/// that the tile's outputs read. `out` is blocked.
#[derive(Clone, Debug, PartialEq)]
pub struct Winograd {
    /// The inputs.
    pub tiles: Tiles,
    /// The inputs as a [`TaskKind::WinogradTiles`] of `tiles` has transformed them, or none: each unit
    /// transforms its own.
    pub transformed: Option<BufferId>,
    /// For each position of a tile, row by row, the panels of [`Contract::w`] of one group, tap and blocks of 8.
    pub w: BufferId,
    /// `[1, channels, 1, 1]` blocked, or none.
    pub bias: Option<BufferId>,
    /// Panels whose products are held together. Of transformed inputs, a unit makes those of so many panels.
    pub panels: u32,
    /// As in [`Contract`]; the pixels of a tile of the contraction are tiles here.
    pub vectors: u32,
    /// Applied to each sum.
    pub epilogue: Epilogue,
}

/// The inputs of Winograd's filtering in tiles that overlap.
///
/// Outputs whose rows and columns are the same modulo `dilation` are a *phase*. A tile is of one phase, its outputs
/// and its inputs lie `dilation` apart: with `[y, x]` the first output of a phase, it reads rows
/// `origin[0] + y + dilation[0]·i` and columns `origin[1] + x + dilation[1]·j`. So phases are plain convolutions beside one
/// another, each with tiles of its own; together they have each output once.
#[derive(Clone, Debug, PartialEq)]
pub struct Tiles {
    /// Blocked. Its halo reaches as far as the last tiles of every phase do, also where these have outputs beyond the
    /// last row or column.
    pub x: BufferId,
    /// Outputs of a tile.
    pub tile: WinogradTile,
    /// Row and column of `x` that the first tap of output (0, 0) reads.
    pub origin: [i32; 2],
    /// Rows and columns from one tap to the next.
    pub dilation: [u32; 2],
    /// How many pictures.
    pub pictures: u64,
    /// Rows and columns of the output.
    pub out: [u64; 2],
    /// Tiles that go through the stages together, at most: pictures, rows of tiles, phases of rows and of columns,
    /// columns of tiles. Units follow one another in this order. Without dilation there is one entry; phases have two
    /// sizes at most along an axis, and there is one for each combination of these, columns first, larger ones first.
    pub chunk: Vec<[u32; 5]>,
}

/// How many outputs Winograd's filtering makes at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WinogradTile {
    /// 2×2 from 16 products, where taps need 36.
    Two,
    /// 4×4 from 36 products, where taps need 144.
    Four,
}

impl WinogradTile {
    /// Rows, and columns, of outputs.
    pub const fn outputs(self) -> u32 {
        match self {
            WinogradTile::Two => 2,
            WinogradTile::Four => 4,
        }
    }

    /// Rows, and columns, of inputs.
    pub const fn inputs(self) -> u32 {
        self.outputs() + 2
    }

    /// What an error of a product grows by at the most on its way to an output, where weights and inputs are
    /// as unlucky as can be: the square of the largest `Σ_p |A[p, i]| · |G[p, j]| · Σ_k |B[k, p]|`, rounded up.
    pub const fn growth(self) -> f64 {
        match self {
            WinogradTile::Two => 16.0,
            WinogradTile::Four => 176.0,
        }
    }

    /// Products.
    pub const fn positions(self) -> u32 {
        self.inputs() * self.inputs()
    }
}

/// Output positions `start + i·step`, `i < count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Phase {
    /// The first.
    pub start: u32,
    /// From one to the next.
    pub step: u32,
    /// How many.
    pub count: u32,
}

impl Phase {
    /// Whether they are the first ones, each beside the next.
    pub(crate) fn is_dense(&self) -> bool {
        self.start == 0 && self.step == 1
    }
}

/// What follows a sum while it is in a register: operand 0 of the expression is the sum (bias added).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Epilogue {
    /// Nothing, or an expression whose operands 1, 2, … are `inputs`.
    pub expr: Option<Pointwise>,
}

impl Epilogue {
    /// Whether the sum is all that it is computed from.
    pub(crate) fn reads_no_buffer(&self) -> bool {
        self.expr.as_ref().is_none_or(|expr| expr.buffers().next().is_none())
    }
}

/// `out[l, m, n] = bias[n] + Σ_k x[l, m, k] · w[l, k, n]`.
///
/// `x` is dense, row-major matrices of `rows` × `inner`. `out` is blocked, `[matrices · rows, columns, 1, 1]`:
/// each row is whole blocks, its padding lanes 0.
#[derive(Clone, Debug, PartialEq)]
pub struct MatMul {
    /// Read.
    pub x: BufferId,
    /// Panels of blocks of 8 as in [`Contract::w`], a group for each matrix.
    pub w: BufferId,
    /// `[1, columns, 1, 1]` blocked, or none.
    pub bias: Option<BufferId>,
    /// Rows of a matrix of `x`.
    pub rows: u64,
    /// Columns of a matrix of `x`.
    pub inner: u64,
    /// Columns of a matrix of `out`.
    pub columns: u64,
    /// The matrices of `out`, outermost first; none: one.
    pub leads: Vec<Lead>,
    /// As in [`Contract`]; the pixels of a tile are rows.
    pub vectors: u32,
}

/// An axis of matrices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lead {
    /// How many.
    pub count: u64,
    /// From one to the next, in matrices of `x`; 0 where it is the same again.
    pub x: u64,
    /// From one to the next, in groups of panels; 0 where it is the same again.
    pub w: u64,
}

/// See [`TaskKind::PlanarConv`]; `x` and `out` planar.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanarConv {
    /// Read, halo included.
    pub x: BufferId,
    /// `[O, C/groups, taps]` row-major, dense.
    pub w: BufferId,
    /// `[O]` dense, or none.
    pub bias: Option<BufferId>,
    /// Channel groups.
    pub groups: u64,
    /// As in [`Contract`], in the order of `w`.
    pub taps: Vec<(i32, i32)>,
    /// For each tap, its index among a channel's taps in `w`; as many as `taps`.
    pub tap_index: Vec<u32>,
    /// How many taps a channel has in `w`.
    pub w_taps: u32,
    /// `w`, where it is known and there is one input channel, else empty. Taps of an output channel that are known to be 0
    /// are left out.
    pub known: Vec<f32>,
    /// Whether `w` is `[C, O/groups, taps]`, as transposed convolutions have it.
    pub w_transposed: bool,
    /// Step of the output in the input, `[h, w]`.
    pub stride: [u32; 2],
    /// As in [`Contract`].
    pub phase: [Phase; 2],
    /// Applied to each sum.
    pub epilogue: Epilogue,
    /// A 1×1 convolution that all output channels go through at once.
    pub then: Option<Mix>,
}

/// `out[p] = epilogue(bias[p] + Σ_o v[o] · w[p, o])`, `v` being all channels of a convolution.
#[derive(Clone, Debug, PartialEq)]
pub struct Mix {
    /// `[P, O]` dense.
    pub w: BufferId,
    /// `[P]` dense, or none.
    pub bias: Option<BufferId>,
    /// Channels of `v`.
    pub channels: u64,
    /// Applied to each sum; it reads no buffer.
    pub epilogue: Epilogue,
}

/// See [`TaskKind::Depthwise`].
#[derive(Clone, Debug, PartialEq)]
pub struct Depthwise {
    /// Read, halo included.
    pub x: BufferId,
    /// Planar: `[C, taps]` dense, or `[1, taps]` for taps that all channels share (`filter`).
    /// Blocked: `[C/8, taps, 8]`, or `[1, taps]` shared.
    pub w: BufferId,
    /// Whether all channels share the taps.
    pub shared: bool,
    /// `[C]`: dense (planar) or blocked; or none.
    pub bias: Option<BufferId>,
    /// As in [`Contract`], in the order of `w`.
    pub taps: Vec<(i32, i32)>,
    /// The taps' weights, where they are known and `shared`, else empty.
    pub known: Vec<f32>,
    /// Step of the output in the input, `[h, w]`.
    pub stride: [u32; 2],
    /// Applied to each sum.
    pub epilogue: Epilogue,
}

/// `out[o, c, t] = Σ_{n, y, x} dy[n, o, y, x] · x[n, c, y·sy + t.dy, x·sx + t.dx]`. `dy` is blocked, `x` planar or
/// blocked, or blocked alone where `depthwise`. `out` is blocked, `[1, O, C, taps]`.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightGrad {
    /// The convolution's input. Its halo holds 0.
    pub x: BufferId,
    /// The gradient of its output.
    pub dy: BufferId,
    /// Whether each channel has weights of its own: c is 0 then, and `x` has the channel o.
    pub depthwise: bool,
    /// Row and column offsets in `x` from `(y·sy, x·sx)`.
    pub taps: Vec<(i32, i32)>,
    /// Step of the output in the input, `[h, w]`.
    pub stride: [u32; 2],
}

/// `out` is 0, and each `dy` is added to the first of its window's elements, row by row, that is the maximum. All
/// buffers are blocked; what windows reach outside of `x` is −∞ in its halo, and what they add to there is of no use.
#[derive(Clone, Debug, PartialEq)]
pub struct MaxPoolGrad {
    /// The pool's input.
    pub x: BufferId,
    /// The gradient of its output.
    pub dy: BufferId,
    /// Rows and columns of a window.
    pub kernel: [u32; 2],
    /// From one to the next of them.
    pub dilation: [u32; 2],
    /// From one window to the next.
    pub stride: [u32; 2],
    /// Row and column of the first window's first element.
    pub first: [i32; 2],
}

/// See [`TaskKind::Pool`]. Reads the halo of `x`: −∞ for maxima, 0 for means.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    /// Read, halo included.
    pub x: BufferId,
    /// Maximum or mean.
    pub kind: PoolKind,
    /// Offsets of the window's elements from `(y·sy, x·sx)`.
    pub taps: Vec<(i32, i32)>,
    /// Step of the output in the input, `[h, w]`.
    pub stride: [u32; 2],
    /// Of means: the divisor of each output row and column is `rows[y] · cols[x]`.
    pub rows: Vec<u32>,
    /// See `rows`.
    pub cols: Vec<u32>,
    /// Applied to each result.
    pub epilogue: Epilogue,
}

/// An elementwise expression in single assignment: the last operation is the result.
#[derive(Clone, Debug, PartialEq)]
pub struct Pointwise {
    /// What [`PointwiseOp::Operand`] numbers name.
    pub inputs: Vec<Operand>,
    /// The operations; arguments are numbers of earlier ones.
    pub ops: Vec<PointwiseOp>,
}

/// An operand of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// A buffer, broadcast where its axis is 1. In a blocked task a buffer whose channels are 1 (and
    /// the task's are not) is planar; all others are blocked.
    Buffer(BufferId),
    /// The sum that an epilogue is applied to.
    Sum,
}

/// An operation of an expression.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PointwiseOp {
    /// An entry of `inputs`.
    Operand(u32),
    /// A number.
    Scalar(f32),
    /// One argument.
    Unary(UnaryOp, u32),
    /// Two arguments.
    Binary(BinaryOp, u32, u32),
    /// `x ≥ 0 ? x : slope · x`, as `(x, slope)`.
    Prelu(u32, u32),
}

/// See [`TaskKind::Reduce`].
#[derive(Clone, Debug, PartialEq)]
pub struct Reduce {
    /// Read.
    pub x: BufferId,
    /// Sum, mean or maximum.
    pub kind: ReduceKind,
    /// Which of `[lead, channels, height, width]` are reduced. Blocked: height and width only.
    pub axes: [bool; 4],
}

/// See [`TaskKind::Softmax`]; `x` and `out` planar and dense, seen as `[outer, n, inner]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Softmax {
    /// Read.
    pub x: BufferId,
    /// Product of the axes before.
    pub outer: u64,
    /// Length of the axis.
    pub n: u64,
    /// Product of the axes after.
    pub inner: u64,
}

/// See [`TaskKind::Resize`]; `x` and `out` planar.
#[derive(Clone, Debug, PartialEq)]
pub struct Resize {
    /// Read.
    pub x: BufferId,
    /// How.
    pub resize: graph::Resize,
}

/// For all indices `i` in `dims`: `out[out_offset + Σ i·out_strides] = x[x_offset + Σ i·x_strides]`.
/// Offsets and strides are bytes from element `[0, 0, 0, 0]` of the buffer. Elements are f32
/// (`vector` false) or blocks of 8 (`vector` true). `x` may be `out`, where what is read is not written.
#[derive(Clone, Debug, PartialEq)]
pub struct StridedCopy {
    /// Read.
    pub x: BufferId,
    /// Extents, outermost first.
    pub dims: Vec<u64>,
    /// Where reading starts.
    pub x_offset: i64,
    /// Bytes for each dim.
    pub x_strides: Vec<i64>,
    /// Where writing starts.
    pub out_offset: i64,
    /// Bytes for each dim.
    pub out_strides: Vec<i64>,
    /// Whether an element is a block of 8 f32.
    pub vector: bool,
}

/// See [`Contract::w`].
#[derive(Clone, Debug, PartialEq)]
pub struct PackPanels {
    /// `[O, C/groups, taps]` dense, or `[C, O/groups, taps]` where `transposed`.
    pub w: BufferId,
    /// See `w`.
    pub transposed: bool,
    /// Output channels of all groups.
    pub out_channels: u64,
    /// Input channels of one group.
    pub in_channels: u64,
    /// Channel groups.
    pub groups: u64,
    /// For each tap of the panels, its index among the taps of `w`.
    pub tap_index: Vec<u32>,
    /// How many taps a channel has in `w`.
    pub w_taps: u32,
    /// Channels of an input block: 8, or 1 for planar inputs.
    pub block: u32,
    /// Vectors in a full panel.
    pub vectors: u32,
}

/// See [`Winograd::w`].
#[derive(Clone, Debug, PartialEq)]
pub struct PackWinograd {
    /// `[O, C, 9]` dense.
    pub w: BufferId,
    /// Whether it is `[C, O, 9]`, its taps from last to first: those of a transposed convolution.
    pub transposed: bool,
    /// The tile.
    pub tile: WinogradTile,
    /// Output channels.
    pub out_channels: u64,
    /// Input channels.
    pub in_channels: u64,
    /// Vectors in a full panel.
    pub vectors: u32,
}

impl TaskKind {
    /// The buffers that are read.
    pub fn reads(&self) -> Vec<BufferId> {
        let mut reads = Vec::new();
        let epilogue = match self {
            TaskKind::Contract(t) => {
                reads.extend([t.x, t.w]);
                reads.extend(t.bias);
                Some(&t.epilogue)
            }
            TaskKind::WinogradTiles(t) => {
                reads.push(t.x);
                None
            }
            TaskKind::Winograd(t) => {
                reads.extend([t.transformed.unwrap_or(t.tiles.x), t.w]);
                reads.extend(t.bias);
                Some(&t.epilogue)
            }
            TaskKind::MatMul(t) => {
                reads.extend([t.x, t.w]);
                reads.extend(t.bias);
                None
            }
            TaskKind::PlanarConv(t) => {
                reads.extend([t.x, t.w]);
                reads.extend(t.bias);
                if let Some(then) = &t.then {
                    reads.push(then.w);
                    reads.extend(then.bias);
                }
                Some(&t.epilogue)
            }
            TaskKind::Depthwise(t) => {
                reads.extend([t.x, t.w]);
                reads.extend(t.bias);
                Some(&t.epilogue)
            }
            TaskKind::Pool(t) => {
                reads.push(t.x);
                Some(&t.epilogue)
            }
            TaskKind::WeightGrad(t) => {
                reads.extend([t.x, t.dy]);
                None
            }
            TaskKind::MaxPoolGrad(t) => {
                reads.extend([t.x, t.dy]);
                None
            }
            TaskKind::Pointwise(t) => {
                reads.extend(t.buffers());
                None
            }
            TaskKind::Reduce(t) => {
                reads.push(t.x);
                None
            }
            TaskKind::Softmax(t) => {
                reads.push(t.x);
                None
            }
            TaskKind::Resize(t) => {
                reads.push(t.x);
                None
            }
            TaskKind::Copy(t) => {
                reads.push(t.x);
                None
            }
            TaskKind::Convert { x } => {
                reads.push(*x);
                None
            }
            TaskKind::FillHalo(_) => None,
            TaskKind::PackPanels(t) => {
                reads.push(t.w);
                None
            }
            TaskKind::PackWinograd(t) => {
                reads.push(t.w);
                None
            }
        };
        if let Some(expr) = epilogue.and_then(|e| e.expr.as_ref()) {
            reads.extend(expr.buffers());
        }
        reads
    }

    /// One word for tables.
    pub fn word(&self) -> &'static str {
        match self {
            TaskKind::Contract(_) => "contract",
            TaskKind::Winograd(_) => "winograd",
            TaskKind::WinogradTiles(_) => "tiles",
            TaskKind::MatMul(_) => "matmul",
            TaskKind::PlanarConv(_) => "planar",
            TaskKind::Depthwise(_) => "depthwise",
            TaskKind::Pool(_) => "pool",
            TaskKind::WeightGrad(_) => "weight_grad",
            TaskKind::MaxPoolGrad(_) => "maxpool_grad",
            TaskKind::Pointwise(_) => "pointwise",
            TaskKind::Reduce(_) => "reduce",
            TaskKind::Softmax(_) => "softmax",
            TaskKind::Resize(_) => "resize",
            TaskKind::Copy(_) => "copy",
            TaskKind::Convert { .. } => "convert",
            TaskKind::FillHalo(_) => "halo",
            TaskKind::PackPanels(_) | TaskKind::PackWinograd(_) => "pack",
        }
    }
}

impl Pointwise {
    /// The buffers among the operands.
    pub fn buffers(&self) -> impl Iterator<Item = BufferId> + '_ {
        self.inputs.iter().filter_map(|input| match input {
            Operand::Buffer(id) => Some(*id),
            Operand::Sum => None,
        })
    }
}
