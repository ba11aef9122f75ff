//! The kernel of a contraction: `tiles` tiles of `pixels × vectors` along a row, or one that goes on in the rows
//! after it; two vectors are a register where they are wide.
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
//! | next       | where weights are far: those that this call asks for meanwhile    |
//! | bias, …    | where there is a bias: its vectors; the epilogue's operands       |
//!
//! Registers: `pixels · vectors` accumulators, `vectors` weights, one broadcast: 6·2 + 2 + 1 = 15 of 16
//! in the usual tile, 14·2 + 2 + 1 = 31 of 32 wide ones. Loads bind less than FMAs from 2 columns of registers on:
//! 8 loads for 12 FMAs, two of either a cycle.

use crate::kernels::build::KernelBuilder;
use crate::kernels::ir::{
    Cache, Count, Inst, Int, Kernel, LANES, LINE, Offset, Ptr, Spills, VECTOR_BYTES, Vreg, Wide,
};
use crate::kernels::lower::LowerError;
use crate::kernels::pointwise::{self, Simple};
use crate::kernels::register::Register;
use crate::plan::{LayoutKind, Operand as PlanOperand, Pointwise, View};

/// FMAs of an unrolled body at most: a row of 3×3 taps of 8 channels into 6×2 are 288, 3 KB of code. All three rows, in
/// kernels for tiles of two widths, are more than what Zen 3 keeps of decoded instructions, half of it under a busy
/// hyperthread.
const UNROLLED_FMAS: u32 = 320;
/// The same in wide registers, whose processors keep more: such a row into 14×4 are 672.
const UNROLLED_WIDE_FMAS: u32 = 1024;

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
    /// Row and column of each pixel of the output, from the first.
    pub(in crate::kernels) pixels: Vec<[i32; 2]>,
    pub(in crate::kernels) vectors: u32,
    /// Whether two vectors share a register; they are an even number then.
    pub(in crate::kernels) wide: bool,
    pub(in crate::kernels) lanes: Lanes,
    /// Rows of taps.
    pub(in crate::kernels) rows: u32,
    /// Column offsets of the taps of a row.
    pub(in crate::kernels) dx: Vec<i32>,
    /// Bytes of a column of x.
    pub(in crate::kernels) column_bytes: i32,
    /// Columns of x from one pixel to the next.
    pub(in crate::kernels) stride: i32,
    /// Bytes of x from one row of pixels to the next.
    pub(in crate::kernels) x_row: i32,
    /// Bytes of out from one row of pixels to the next.
    pub(in crate::kernels) out_row: i32,
    /// Bytes of out from one pixel of a row to the next.
    pub(in crate::kernels) out_column: i32,
    /// How many lines of the next weights a block of input channels asks for.
    pub(in crate::kernels) ahead: u32,
    pub(in crate::kernels) bias: bool,
    /// With the bytes from one row of pixels to the next, of those of the output's shape.
    pub(in crate::kernels) extras: Vec<(Extra, i32)>,
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
    /// What is asked for next.
    next: Option<Ptr>,
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
        let next = (self.ahead > 0).then(|| k.ptr_arg());
        let bias = self.bias.then(|| k.ptr_arg());
        let extras: Vec<(Extra, Ptr, Option<Int>)> = self
            .extras
            .iter()
            .map(|&(extra, _)| (extra, k.ptr_arg(), (extra == Extra::Full).then(|| k.int_arg())))
            .collect();

        let columns = self.vectors / R::VECTORS;
        let mut acc = vec![Vec::new(); columns as usize];
        for _ in &self.pixels {
            acc.iter_mut().for_each(|column| column.push(R::new(&mut k)));
        }
        // With one pixel each weight is used once and stays in memory.
        let weights = if self.pixels.len() > 1 { columns } else { 0 };
        let weights = (0..weights).map(|_| R::new(&mut k)).collect();
        let block_x = k.ptr();
        let vars = Vars { acc, weights, broadcast: R::new(&mut k), x: k.ptr(), w: k.ptr(), next, row };

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
            let pixels = self.pixels.len() as i32;
            k.advance(x, pixels * self.stride * self.column_bytes);
            k.advance(out, pixels * self.out_column);
            for &(extra, ptr, _) in &extras {
                if extra == Extra::Full {
                    k.advance(ptr, pixels * self.out_column);
                }
            }
        });
        k.finish(Spills::Refused)
    }

    fn name(&self) -> String {
        let TileSpec { vectors, rows, dx, stride, .. } = self;
        let in_rows = self.pixels.chunk_by(|a, b| a[0] == b[0]).map(|row| row.len().to_string());
        let pixels = in_rows.collect::<Vec<_>>().join("+");
        let columns = dx.len();
        let lanes = match self.lanes {
            Lanes::Block { rest: 0 } => String::new(),
            Lanes::Block { rest } => format!("_rest{rest}"),
            Lanes::Single => "_planar".to_owned(),
        };
        let wide = if self.wide { "_wide" } else { "" };
        let far = if self.ahead > 0 { "_far" } else { "" };
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
        let tap_fmas = lanes * self.pixels.len() as u32 * self.vectors / R::VECTORS;
        let columns = self.dx.len() as u32;
        let row_fmas = tap_fmas * columns;
        let most = if R::VECTORS > 1 { UNROLLED_WIDE_FMAS } else { UNROLLED_FMAS };
        let column_gap = even_gap(&self.dx);
        if self.rows == 0 {
            return;
        }
        if row_fmas * self.rows <= most {
            for row in 0..self.rows {
                if row > 0 {
                    k.advance_int(vars.x, vars.row);
                }
                for (i, &dx) in self.dx.iter().enumerate() {
                    let tap = row as i32 * columns as i32 + i as i32;
                    self.tap(k, vars, lanes, dx * self.column_bytes, tap * tap_bytes);
                    ask(k, vars.next, part(tap as u32, self.rows * columns, self.ahead));
                }
            }
            k.advance(vars.w, tap_bytes * (self.rows * columns) as i32);
            return;
        }
        k.repeat(Count::Static(self.rows), |k| {
            match column_gap {
                Some(gap) if row_fmas > most => {
                    let first = self.dx[0] * self.column_bytes;
                    k.advance(vars.x, first);
                    k.repeat(Count::Static(columns), |k| {
                        self.tap(k, vars, lanes, 0, 0);
                        ask(k, vars.next, self.ahead.div_ceil(self.rows * columns));
                        k.advance(vars.x, gap * self.column_bytes);
                        k.advance(vars.w, tap_bytes);
                    });
                    k.advance(vars.x, -first - columns as i32 * gap * self.column_bytes);
                }
                _ => {
                    for (i, &dx) in self.dx.iter().enumerate() {
                        self.tap(k, vars, lanes, dx * self.column_bytes, i as i32 * tap_bytes);
                        ask(k, vars.next, part(i as u32, columns, self.ahead.div_ceil(self.rows)));
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
            for (p, [row, column]) in self.pixels.iter().enumerate() {
                let pixel = row * self.x_row + column * self.stride * self.column_bytes;
                let x = vars.x.at(x + pixel + lane as i32 * 4);
                let sums = vars.acc.iter().map(|column| column[p]);
                // What is used once needs no register.
                if let ([acc], [weight]) = (&vars.acc[..], &vars.weights[..])
                    && acc[p].fma_splat(k, *weight, x)
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
        // Its numbers take the registers that the weights have left.
        let (sums, expr): (Vec<Vec<R>>, _) = match Simple::of(self.expr.as_ref()) {
            Some(mut simple) if simple.numbers() <= vars.weights.len() => {
                let apply = |sums: &Vec<R>| sums.iter().map(|&sum| simple.apply(k, sum)).collect();
                (vars.acc.iter().map(apply).collect(), &None)
            }
            _ => (vars.acc.clone(), &self.expr),
        };
        for v in 0..self.vectors {
            for (p, [row, column]) in self.pixels.iter().enumerate() {
                let sum = sums[(v / R::VECTORS) as usize][p].vector(k, v % R::VECTORS);
                let result = match expr {
                    None => sum,
                    Some(expr) => pointwise::emit_expr(k, expr, |k, input| {
                        let before = expr.inputs.iter().take(input);
                        let nth = before.filter(|i| matches!(i, PlanOperand::Buffer(_))).count();
                        match (expr.inputs.get(input), self.extras.get(nth), moving.get(nth)) {
                            (Some(PlanOperand::Buffer(_)), Some((extra, pitch)), Some(&(_, at))) => {
                                match extra {
                                    Extra::Full => {
                                        k.load(at.at(row * pitch + column * self.out_column), LANES)
                                    }
                                    Extra::Channel => k.load(at.at(0), LANES),
                                    Extra::Scalar => k.load_splat(at.at(0)),
                                }
                            }
                            _ => sum,
                        }
                    }),
                };
                let pixel = row * self.out_row + column * self.out_column;
                k.store(store.at(pixel), result, LANES);
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

/// Asks for so many lines of what comes next.
fn ask(k: &mut KernelBuilder, next: Option<Ptr>, lines: u32) {
    let Some(next) = next.filter(|_| lines > 0) else { return };
    for line in 0..lines as i32 {
        k.inst(Inst::Prefetch { addr: next.at(line * LINE as i32), cache: Cache::Second });
    }
    k.advance(next, lines as i32 * LINE as i32);
}

/// What falls to number `i` of `n` of `all`, shared as evenly as can be.
fn part(i: u32, n: u32, all: u32) -> u32 {
    (i + 1) * all / n - i * all / n
}

/// The one distance between neighbours, where there is one.
fn even_gap(dx: &[i32]) -> Option<i32> {
    let mut gaps = dx.windows(2).map(|w| w[1] - w[0]);
    let first = gaps.next()?;
    gaps.all(|g| g == first).then_some(first)
}
