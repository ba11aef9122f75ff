//! The kernel of a contraction: `tiles` tiles of `pixels × vectors` along a row, two vectors a register
//! where they are wide.
//!
//! | argument   | what                                                              |
//! |------------|-------------------------------------------------------------------|
//! | x          | first pixel of the segment, first row of taps, first channel block |
//! | w          | the panel                                                         |
//! | out        | first pixel of the segment, first block of the panel              |
//! | tiles      | how many tiles                                                    |
//! | blocks     | whole channel blocks                                              |
//! | plane      | bytes from one channel block of x to the next                     |
//! | row        | bytes from one row of taps in x to the next                       |
//! | out plane  | bytes from one block of out to the next                           |
//! | bias, …    | where there is a bias: its vectors; the epilogue's operands       |
//!
//! Registers: `pixels · vectors` accumulators, `vectors` weights, one broadcast: 6·2 + 2 + 1 = 15 of 16
//! in the usual tile, 14·2 + 2 + 1 = 31 of 32 wide ones. Loads bind less than FMAs from 2 columns of registers on:
//! 8 loads for 12 FMAs, two of either a cycle.

use super::register::Register;
use crate::kernels::build::KernelBuilder;
use crate::kernels::ir::{Count, Inst, Int, Kernel, LANES, Offset, Ptr, Spills, VECTOR_BYTES, Vreg, Wide};
use crate::kernels::lower::LowerError;
use crate::kernels::pointwise;
use crate::plan::{LayoutKind, Operand as PlanOperand, Pointwise, View};

/// FMAs of an unrolled body at most. 3×3 taps of 8 channels into 6×2 are 864, about 9 KB of code.
const UNROLLED_FMAS: u32 = 1024;

/// Bytes from weights that are used to those that are fetched, where weights come from beyond the second-level
/// cache: 64 lines, about 400 cycles of the usual tile. The processor's own prefetching stops at pages.
const AHEAD: i32 = 4096;
/// Bytes of a cache line.
const LINE: u32 = 64;

/// How input channels are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kernels) enum Lanes {
    /// 8 at a time, and `rest` at the end.
    Block {
        /// 0 to 7.
        rest: u32,
    },
    /// One plane at a time.
    Single,
}

/// An operand of the epilogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kernels) enum Extra {
    /// Of the output's shape.
    Full,
    /// One value for each channel.
    Channel,
    /// One value.
    Scalar,
}

impl Extra {
    /// How a buffer relates to the output.
    pub(in crate::kernels) fn of(view: &View, out: &View) -> Result<Extra, LowerError> {
        if view.dims == out.dims && view.kind == LayoutKind::Blocked {
            Ok(Extra::Full)
        } else if view.dims == [1, out.dims[1], 1, 1] && view.kind == LayoutKind::Blocked {
            Ok(Extra::Channel)
        } else if view.dims == [1; 4] {
            Ok(Extra::Scalar)
        } else {
            Err(LowerError::Plan(
                "an epilogue's operand has neither the output's shape nor one value a channel",
            ))
        }
    }
}

/// What a tile's kernel is specialised on.
pub(in crate::kernels) struct TileSpec {
    pub(in crate::kernels) pixels: u32,
    pub(in crate::kernels) vectors: u32,
    /// Whether two vectors share a register; they are an even number then.
    pub(in crate::kernels) wide: bool,
    pub(in crate::kernels) lanes: Lanes,
    /// Whether weights are prefetched, for they are far.
    pub(in crate::kernels) far: bool,
    /// Rows of taps.
    pub(in crate::kernels) rows: u32,
    /// Column offsets of the taps of a row.
    pub(in crate::kernels) dx: Vec<i32>,
    /// Bytes of a column of x.
    pub(in crate::kernels) column_bytes: i32,
    /// Columns of x from one pixel to the next.
    pub(in crate::kernels) stride: i32,
    /// Bytes of out from one pixel to the next.
    pub(in crate::kernels) out_column: i32,
    pub(in crate::kernels) bias: bool,
    pub(in crate::kernels) extras: Vec<Extra>,
    pub(in crate::kernels) expr: Option<Pointwise>,
}

/// The variables of the kernel that the pieces share.
struct Vars<R> {
    /// By column of registers, then by pixel.
    acc: Vec<Vec<R>>,
    weights: Vec<R>,
    broadcast: R,
    /// The tap row being read.
    x: Ptr,
    w: Ptr,
    row: Int,
}

impl TileSpec {
    pub(in crate::kernels) fn kernel(&self) -> Kernel {
        if self.wide { self.kernel_of::<Wide>() } else { self.kernel_of::<Vreg>() }
    }

    fn kernel_of<R: Register>(&self) -> Kernel {
        let mut k = KernelBuilder::new(self.name());
        let (x, w, out) = (k.ptr_arg(), k.ptr_arg(), k.ptr_arg());
        let (tiles, blocks, plane, row) = (k.int_arg(), k.int_arg(), k.int_arg(), k.int_arg());
        let out_plane = k.int_arg();
        let bias = self.bias.then(|| k.ptr_arg());
        let extras: Vec<(Extra, Ptr, Option<Int>)> = self
            .extras
            .iter()
            .map(|&extra| (extra, k.ptr_arg(), (extra == Extra::Full).then(|| k.int_arg())))
            .collect();

        let columns = self.vectors / R::BLOCKS;
        let mut acc = vec![Vec::new(); columns as usize];
        for _ in 0..self.pixels {
            acc.iter_mut().for_each(|column| column.push(R::new(&mut k)));
        }
        // With one pixel each weight is used once and stays in memory.
        let weights = if self.pixels > 1 { columns } else { 0 };
        let weights = (0..weights).map(|_| R::new(&mut k)).collect();
        let block_x = k.ptr();
        let vars = Vars { acc, weights, broadcast: R::new(&mut k), x: k.ptr(), w: k.ptr(), row };

        k.repeat(Count::Int(tiles), |k| {
            for (column, acc) in (0..).zip(&vars.acc) {
                R::start(k, acc, bias.map(|bias| bias.at(column * R::BYTES)));
            }
            k.set_ptr(block_x, x, Offset::Bytes(0));
            k.set_ptr(vars.w, w, Offset::Bytes(0));
            let (lanes, rest) = match self.lanes {
                Lanes::Block { rest } => (LANES as u32, rest),
                Lanes::Single => (1, 0),
            };
            k.repeat(Count::Int(blocks), |k| {
                k.set_ptr(vars.x, block_x, Offset::Bytes(0));
                self.block(k, &vars, lanes);
                k.advance_int(block_x, plane);
            });
            if rest > 0 {
                k.set_ptr(vars.x, block_x, Offset::Bytes(0));
                self.block(k, &vars, rest);
            }
            self.finish(k, &vars, out, out_plane, &extras);
            k.advance(x, self.pixels as i32 * self.stride * self.column_bytes);
            k.advance(out, self.pixels as i32 * self.out_column);
            for &(extra, ptr, _) in &extras {
                if extra == Extra::Full {
                    k.advance(ptr, self.pixels as i32 * self.out_column);
                }
            }
        });
        k.finish(Spills::Refused)
    }

    fn name(&self) -> String {
        let TileSpec { pixels, vectors, rows, dx, stride, .. } = self;
        let columns = dx.len();
        let lanes = match self.lanes {
            Lanes::Block { rest: 0 } => String::new(),
            Lanes::Block { rest } => format!("_rest{rest}"),
            Lanes::Single => "_planar".to_owned(),
        };
        let wide = if self.wide { "_wide" } else { "" };
        let far = if self.far { "_far" } else { "" };
        format!("contract{rows}x{columns}_s{stride}_p{pixels}v{vectors}{wide}{lanes}{far}")
    }

    /// All taps of `lanes` input channels. The panel has all 8 lanes of a block, and this leaves
    /// `vars.w` behind the whole block only where all are used.
    fn block<R: Register>(&self, k: &mut KernelBuilder, vars: &Vars<R>, lanes: u32) {
        let panel_lanes = match self.lanes {
            Lanes::Block { .. } => LANES as u32,
            Lanes::Single => 1,
        };
        let tap_bytes = (panel_lanes * self.vectors) as i32 * VECTOR_BYTES as i32;
        let tap_fmas = lanes * self.pixels * self.vectors / R::BLOCKS;
        let columns = self.dx.len() as u32;
        let row_fmas = tap_fmas * columns;
        let column_gap = even_gap(&self.dx);
        if self.rows == 0 {
            return;
        }
        if row_fmas * self.rows <= UNROLLED_FMAS {
            for row in 0..self.rows {
                if row > 0 {
                    k.advance_int(vars.x, vars.row);
                }
                for (i, &dx) in self.dx.iter().enumerate() {
                    let tap = row as i32 * columns as i32 + i as i32;
                    self.tap(k, vars, lanes, dx * self.column_bytes, tap * tap_bytes);
                }
            }
            k.advance(vars.w, tap_bytes * (self.rows * columns) as i32);
            return;
        }
        k.repeat(Count::Static(self.rows), |k| {
            match column_gap {
                Some(gap) if row_fmas > UNROLLED_FMAS => {
                    let first = self.dx[0] * self.column_bytes;
                    k.advance(vars.x, first);
                    k.repeat(Count::Static(columns), |k| {
                        self.tap(k, vars, lanes, 0, 0);
                        k.advance(vars.x, gap * self.column_bytes);
                        k.advance(vars.w, tap_bytes);
                    });
                    k.advance(vars.x, -first - columns as i32 * gap * self.column_bytes);
                }
                _ => {
                    for (i, &dx) in self.dx.iter().enumerate() {
                        self.tap(k, vars, lanes, dx * self.column_bytes, i as i32 * tap_bytes);
                    }
                    k.advance(vars.w, tap_bytes * columns as i32);
                }
            }
            k.advance_int(vars.x, vars.row);
        });
    }

    /// One tap: for each lane, every pixel's broadcast into every register.
    fn tap<R: Register>(&self, k: &mut KernelBuilder, vars: &Vars<R>, lanes: u32, x: i32, w: i32) {
        for lane in 0..lanes {
            let first = w + (lane * self.vectors) as i32 * VECTOR_BYTES as i32;
            let w_at = |column: i32| vars.w.at(first + column * R::BYTES);
            for (column, weight) in (0..).zip(&vars.weights) {
                weight.load(k, w_at(column));
            }
            if self.far {
                self.prefetch(k, vars, w, lane);
            }
            for p in 0..self.pixels as i32 {
                let x = vars.x.at(x + p * self.stride * self.column_bytes + lane as i32 * 4);
                let sums = vars.acc.iter().map(|column| column[p as usize]);
                // What is used once needs no register.
                if let ([acc], [weight]) = (&vars.acc[..], &vars.weights[..])
                    && acc[p as usize].fma_splat(k, *weight, x)
                {
                    continue;
                }
                vars.broadcast.load_splat(k, x);
                for (column, sum) in sums.enumerate() {
                    match vars.weights.get(column) {
                        Some(&weight) => sum.fma(k, vars.broadcast, weight),
                        None => sum.fma_memory(k, vars.broadcast, w_at(column as i32)),
                    }
                }
            }
        }
    }

    /// Asks for the lines that begin in a lane's weights, [`AHEAD`] of them.
    fn prefetch<R>(&self, k: &mut KernelBuilder, vars: &Vars<R>, w: i32, lane: u32) {
        let row = self.vectors * VECTOR_BYTES as u32;
        let lines = (lane * row).div_ceil(LINE)..((lane + 1) * row).div_ceil(LINE);
        for line in lines {
            k.inst(Inst::Prefetch { addr: vars.w.at(w + (line * LINE) as i32 + AHEAD) });
        }
    }

    /// Applies the epilogue and stores.
    fn finish<R: Register>(
        &self,
        k: &mut KernelBuilder,
        vars: &Vars<R>,
        out: Ptr,
        out_plane: Int,
        extras: &[(Extra, Ptr, Option<Int>)],
    ) {
        let moving: Vec<(Ptr, Ptr)> = extras.iter().map(|&(_, ptr, _)| (ptr, k.ptr())).collect();
        let store = k.ptr();
        k.set_ptr(store, out, Offset::Bytes(0));
        for &(ptr, at) in &moving {
            k.set_ptr(at, ptr, Offset::Bytes(0));
        }
        for v in 0..self.vectors {
            for p in 0..self.pixels {
                let sum = vars.acc[(v / R::BLOCKS) as usize][p as usize].block(k, v % R::BLOCKS);
                let result = match &self.expr {
                    None => sum,
                    Some(expr) => pointwise::emit_expr(k, expr, |k, input| {
                        let before = expr.inputs.iter().take(input);
                        let nth = before.filter(|i| matches!(i, PlanOperand::Buffer(_))).count();
                        match (expr.inputs.get(input), extras.get(nth), moving.get(nth)) {
                            (Some(PlanOperand::Buffer(_)), Some((extra, ..)), Some(&(_, at))) => {
                                match extra {
                                    Extra::Full => k.load(at.at(p as i32 * self.out_column), LANES),
                                    Extra::Channel => k.load(at.at(0), LANES),
                                    Extra::Scalar => k.load_splat(at.at(0)),
                                }
                            }
                            _ => sum,
                        }
                    }),
                };
                k.store(store.at(p as i32 * self.out_column), result, LANES);
            }
            if v + 1 < self.vectors {
                k.advance_int(store, out_plane);
                for (&(extra, _, pitch), &(_, at)) in extras.iter().zip(&moving) {
                    match (extra, pitch) {
                        (Extra::Full, Some(pitch)) => k.advance_int(at, pitch),
                        (Extra::Channel, _) => k.advance(at, VECTOR_BYTES as i32),
                        _ => {}
                    }
                }
            }
        }
    }
}

/// The one distance between neighbours, where there is one.
fn even_gap(dx: &[i32]) -> Option<i32> {
    let mut gaps = dx.windows(2).map(|w| w[1] - w[0]);
    let first = gaps.next()?;
    gaps.all(|g| g == first).then_some(first)
}
