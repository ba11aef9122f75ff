//! A tile: its size by what it loads, and its code.

use std::collections::BTreeSet;

use super::Stencil;
use super::columns::Cut;
use super::row::{Row, columns, sources};
use crate::kernels::build::KernelBuilder;
use crate::kernels::ir::{Addr, Arith, Cache, Inst, Int, LANES, LINE, Offset, Ptr, VECTOR_BYTES, Vreg};
use crate::kernels::pointwise::{self, Simple};
use crate::kernels::register::Register;
use crate::plan::View;
use crate::plan::task::Epilogue;

/// Registers that may be used while sums are made, and where channels go on together, for which [`mixing`] counts what
/// that takes.
#[derive(Clone, Copy)]
struct Registers {
    summing: usize,
    mixing: usize,
}

impl Registers {
    fn of<R: Register>() -> Registers {
        if R::LANES > LANES {
            // Of 32, without those of what follows the sums: numbers, or vectors of 8 lanes; two of intermediate results.
            Registers { summing: 27, mixing: 30 }
        } else {
            Registers { summing: 16, mixing: 16 }
        }
    }
}

/// Bytes after which rows share the same lines of a first-level cache, on every processor.
pub(super) const SAME_LINES: i64 = 4096;

/// A weight: where it stands, and its bits where they are known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::kernels) struct Weight {
    pub(in crate::kernels) offset: i32,
    pub(in crate::kernels) known: Option<u32>,
}

impl Weight {
    fn same(&self, other: &Weight) -> bool {
        self.offset == other.offset || self.known.is_some() && self.known == other.known
    }

    /// How a sum takes an element by it without a product, to the same bits but for which of two NaNs is kept: processors
    /// may add beside what they multiply.
    fn unit(&self) -> Option<Arith> {
        match self.known.map(f32::from_bits) {
            Some(1.0) => Some(Arith::Add),
            Some(-1.0) => Some(Arith::Sub),
            _ => None,
        }
    }
}

/// The size of tiles.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shape {
    /// Rows, at most.
    pub(super) rows: usize,
    /// Registers of a row.
    pub(super) registers: usize,
    /// Whether the weights stay in registers.
    resident: bool,
    /// Whether those by which channels go on together stay there, too.
    holds_mixture: bool,
    /// Whether registers between aligned ones are slid together.
    slides: bool,
}

/// The rows of a tile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rows {
    pub(super) count: usize,
    /// Rows of the input from the first to the last one that is read, those of them that lie above the picture, and
    /// those below.
    pub(super) reads: i64,
    pub(super) above: i64,
    pub(super) below: i64,
}

impl Shape {
    /// The cheapest for so many rows of so many whole registers, by loads and multiply-adds, two of each a cycle.
    pub(super) fn choose<R: Register>(stencil: &Stencil<'_>, x: &View, [height, whole]: [u64; 2]) -> Shape {
        let there = Registers::of::<R>();
        let distinct = distinct(stencil).len();
        let outs = stencil.weights.len();
        let uses: usize = stencil.weights.iter().flatten().flatten().count();
        let most = if x.strides[2] % SAME_LINES == 0 { 2 } else { 4 };
        let mut best =
            (f64::MAX, Shape { rows: 1, registers: 1, resident: false, holds_mixture: false, slides: false });
        for rows in 1..=most.min(height as usize) {
            for registers in [1, 2, 4, 8].into_iter().filter(|&n| n as u64 <= whole.max(1)) {
                let sums = rows * registers * outs;
                let mixing = mixing(stencil, registers);
                // Beside the sums a register of the input, or a row of them, and one for what follows the sums.
                let fits = |held: usize, inputs: usize, mixing: usize| {
                    sums + held + inputs < there.summing && sums + held + mixing <= there.mixing
                };
                let resident = fits(distinct, 1, mixing);
                if !(resident || fits(0, registers + 1, 0) && fits(0, 1, mixing)) {
                    continue;
                }
                let holds_mixture = resident && fits(distinct, 1, mixing + mixture_weights(stencil));
                let slides = resident && R::LANES > LANES && sums + distinct + 4 <= there.summing;
                let traffic = Traffic::of::<R>(stencil, x.column_bytes(), [rows, registers], slides);
                let weights = if resident { 0 } else { rows * uses };
                let pointers = (rows * outs) as f64 + rows as f64 * stencil.step as f64;
                let slots = traffic.loads + weights as f64;
                let products = (rows * registers * uses) as f64 + 0.5 * traffic.slides;
                // Few sums wait for each other.
                let waiting = if sums < 4 { 1.0 } else { 0.0 };
                let cost = slots.max(products) + 0.2 * slots + 0.5 * pointers + waiting * products;
                let each = cost / sums as f64;
                if each < best.0 {
                    best = (each, Shape { rows, registers, resident, holds_mixture, slides });
                }
            }
        }
        best.1
    }
}

/// Registers that a row of channels takes beside the sums where it goes on to planes: those of a plane, a weight, and
/// the numbers of both epilogues.
fn mixing(stencil: &Stencil<'_>, registers: usize) -> usize {
    let numbers =
        |epilogue: &Epilogue| Simple::<Vreg>::of(epilogue.expr.as_ref()).map_or(0, |simple| simple.numbers());
    let Some(then) = &stencil.then else { return 0 };
    registers + 1 + numbers(stencil.epilogue) + numbers(then.epilogue)
}

/// Weights by which channels go on together, where what they go through before and after is simple.
fn mixture_weights(stencil: &Stencil<'_>) -> usize {
    let simple = |epilogue: &Epilogue| Simple::<Vreg>::of(epilogue.expr.as_ref()).is_some();
    let then = stencil.then.as_ref().filter(|then| simple(stencil.epilogue) && simple(then.epilogue));
    then.map_or(0, |then| then.planes * stencil.weights.len())
}

/// How a tile comes to its input.
struct Traffic {
    /// Loads; those across two cache lines count twice: of elements that are not aligned every other register of 8
    /// lanes and nearly all of 16, of blocks every other one of 16.
    loads: f64,
    slides: f64,
}

impl Traffic {
    fn of<R: Register>(
        stencil: &Stencil<'_>,
        column: i64,
        [rows, registers]: [usize; 2],
        slides: bool,
    ) -> Traffic {
        let columns = columns::<R>(column);
        let mut loads: BTreeSet<(i64, i64)> = BTreeSet::new();
        let mut slid: BTreeSet<(i64, i64)> = BTreeSet::new();
        for row in 0..rows as i64 {
            for &(dy, dx) in stencil.taps {
                let row = row * stencil.step + i64::from(dy);
                for register in 0..registers as i64 {
                    let p = i64::from(dx) + register * columns;
                    let (first, second) = sources(p, columns, slides);
                    loads.insert((row, first));
                    if let Some(second) = second {
                        loads.insert((row, second));
                        slid.insert((row, p));
                    }
                }
            }
        }
        let each = |p: i64| match (p % columns, R::LANES > LANES) {
            (0, _) => 1.0,
            (_, false) if column == VECTOR_BYTES => 1.0,
            (_, true) if column < VECTOR_BYTES => 2.0,
            _ => 1.5,
        };
        Traffic { loads: loads.iter().map(|&(_, p)| each(p)).sum(), slides: slid.len() as f64 }
    }
}

/// The weights that elements are multiplied by, equal ones once.
fn distinct(stencil: &Stencil<'_>) -> Vec<Weight> {
    let mut all: Vec<Weight> = Vec::new();
    for weight in stencil.weights.iter().flatten().flatten() {
        if weight.unit().is_none() && !all.iter().any(|other| other.same(weight)) {
            all.push(*weight);
        }
    }
    all
}

/// Where a tile stands, and pointers for it to walk with.
pub(super) struct Ptrs {
    /// The first row that is there, and the first row of the output.
    pub(super) src: Ptr,
    pub(super) dst: Ptr,
    pub(super) x: Ptr,
    pub(super) plane: Ptr,
    pub(super) out: Ptr,
}

/// What tiles of a kernel have in common.
pub(super) struct Tile<'a, R> {
    stencil: &'a Stencil<'a>,
    shape: Shape,
    rows: Rows,
    args: Args,
    /// Registers of the weights that stay there.
    held: Vec<(Weight, R)>,
    /// Of those by which channels go on together, plane by plane.
    mixture: Vec<R>,
}

/// Arguments of a kernel that do not move.
pub(super) struct Args {
    pub(super) w: Ptr,
    pub(super) bias: Option<Ptr>,
    /// Weights and bias of the 1×1 convolution that follows.
    pub(super) then: Option<(Ptr, Option<Ptr>)>,
    /// Bytes from row to row of the input and of the output, and from plane to plane of the output.
    pub(super) pitches: [Int; 2],
    pub(super) plane: Option<Int>,
    /// Bytes from a row of the input to the one that is asked for with it.
    pub(super) ahead: Option<Int>,
    /// Bytes of a column.
    pub(super) column: i64,
}

/// The products of an element: which sum of a vector takes it, by which weight.
type Products = Vec<(usize, Weight)>;

impl<'a, R: Register> Tile<'a, R> {
    /// Loads the weights that stay in registers.
    pub(super) fn new(
        stencil: &'a Stencil<'a>,
        shape: Shape,
        rows: Rows,
        args: Args,
        b: &mut KernelBuilder,
    ) -> Tile<'a, R> {
        let weights = if shape.resident { distinct(stencil) } else { Vec::new() };
        let mut tile = Tile { stencil, shape, rows, args, held: Vec::new(), mixture: Vec::new() };
        tile.held = weights.into_iter().map(|weight| (weight, tile.weight(b, &weight))).collect();
        if let Some((w, _)) = tile.args.then.filter(|_| shape.holds_mixture) {
            tile.mixture = (0..mixture_weights(stencil) as i32).map(|i| R::splat(b, w.at(4 * i))).collect();
        }
        tile
    }

    /// Registers of a row.
    pub(super) fn registers(&self) -> usize {
        self.shape.registers
    }

    /// Some registers of each row, `column` columns on.
    pub(super) fn emit(&self, b: &mut KernelBuilder, ptrs: &Ptrs, registers: usize, column: i64, cut: Cut) {
        let outs = self.stencil.weights.len();
        // Sums by row, output channel and register.
        let new = |b: &mut KernelBuilder| (0..registers).map(|_| R::new(b)).collect();
        let sums: Vec<Vec<R>> = (0..self.rows.count * outs).map(|_| new(b)).collect();
        for out in 0..outs {
            let of_out: Vec<R> = sums.iter().skip(out).step_by(outs).flatten().copied().collect();
            let one = self.args.column < VECTOR_BYTES;
            match self.args.bias {
                Some(bias) => {
                    let bias = bias.at(self.bytes(out as i64));
                    R::fill(b, &of_out, |sum, b| load_channel(b, sum, bias, one));
                }
                None => R::start(b, &of_out, None),
            }
        }
        let (there, below) = (self.rows.above, self.rows.reads - self.rows.below);
        let first_new = self.rows.reads - self.rows.count as i64 * self.stencil.step;
        let mut at = ptrs.src;
        for row in 0..self.rows.reads {
            let inside = row >= there && row < below;
            if inside && row > there {
                b.set_ptr(ptrs.x, at, Offset::Int(self.args.pitches[0]));
                at = ptrs.x;
            }
            // The rows that only the next tile below reads for the first time.
            if let Some(ahead) = self.args.ahead.filter(|_| row >= first_new && inside) {
                b.set_ptr(ptrs.out, at, Offset::Int(ahead));
                for line in (0..registers as i32 * R::BYTES).step_by(LINE as usize) {
                    let addr = ptrs.out.at(self.bytes(column) + line);
                    b.inst(Inst::Prefetch { addr, cache: Cache::First });
                }
            }
            let elements = self.elements(row);
            let positions = || {
                let columns = columns::<R>(self.args.column);
                let each =
                    move |(dx, products)| (0..registers).map(move |c| (dx + c as i64 * columns, c, products));
                elements.iter().map(|(dx, products)| (*dx, products)).flat_map(each)
            };
            let read = positions().map(|(p, ..)| p);
            let cut = inside.then_some(cut);
            let mut row = Row::new(at, self.bytes(column), self.args.column, cut, read, self.shape.slides);
            if self.shape.resident {
                let mut all: Vec<_> = positions().collect();
                // Where no element is read twice, sums take turns, and do not wait for each other.
                if self.shape.slides || self.overlaps(&elements) {
                    all.sort_by_key(|&(p, c, _)| (p, c));
                }
                all.iter().for_each(|&(p, c, products)| self.multiply(b, &sums, c, products, &mut row, p));
            } else {
                self.multiply_loading(b, &sums, &elements, &mut row);
            }
        }
        self.finish(b, ptrs, &sums, column);
    }

    /// The columns of the input's row that are read, each with its products.
    fn elements(&self, row: i64) -> Vec<(i64, Products)> {
        let outs = self.stencil.weights.len();
        let first = self.stencil.taps.iter().map(|tap| i64::from(tap.0)).min().unwrap_or(0);
        let mut all: Vec<(i64, Products)> = Vec::new();
        for (tap, &(dy, dx)) in self.stencil.taps.iter().enumerate() {
            for out_row in 0..self.rows.count {
                if out_row as i64 * self.stencil.step + i64::from(dy) - first != row {
                    continue;
                }
                for (out, weights) in self.stencil.weights.iter().enumerate() {
                    let Some(weight) = weights.get(tap).copied().flatten() else { continue };
                    let product = (out_row * outs + out, weight);
                    match all.iter_mut().find(|(other, _)| *other == i64::from(dx)) {
                        Some((_, products)) => products.push(product),
                        None => all.push((i64::from(dx), vec![product])),
                    }
                }
            }
        }
        all.sort_by_key(|(dx, _)| *dx);
        all
    }

    /// Whether two registers of a row read the same columns.
    fn overlaps(&self, elements: &[(i64, Products)]) -> bool {
        let span = |ends: [&(i64, Products); 2]| ends[1].0 - ends[0].0;
        let ends = elements.first().zip(elements.last());
        ends.is_some_and(|(first, last)| span([first, last]) >= columns::<R>(self.args.column))
    }

    /// A weight in a register: where it stays, or loaded.
    fn weight(&self, b: &mut KernelBuilder, weight: &Weight) -> R {
        let held = self.held.iter().find(|(other, _)| other.same(weight)).map(|(_, held)| *held);
        held.unwrap_or_else(|| {
            let register = R::new(b);
            load_channel(b, register, self.args.w.at(weight.offset), self.stencil.splat);
            register
        })
    }

    /// Bytes that so many columns are apart.
    fn bytes(&self, columns: i64) -> i32 {
        (self.args.column * columns) as i32
    }

    /// Adds to the sums of a register the products of the columns from `p` on, by weights in registers.
    fn multiply(
        &self,
        b: &mut KernelBuilder,
        sums: &[Vec<R>],
        register: usize,
        products: &Products,
        row: &mut Row<R>,
        p: i64,
    ) {
        if let ([(sum, weight)], Some(addr)) = (products.as_slice(), row.in_memory(p)) {
            let sum = sums[*sum][register];
            return match weight.unit() {
                Some(op) => sum.take_memory(b, op, addr),
                None => {
                    let weight = self.weight(b, weight);
                    sum.fma_memory(b, weight, addr);
                }
            };
        }
        let value = row.get(b, p);
        for (sum, weight) in products {
            self.add(b, &[sums[*sum][register]], weight, &[value]);
        }
    }

    /// Adds to sums the products of a weight and as many values.
    fn add(&self, b: &mut KernelBuilder, sums: &[R], weight: &Weight, values: &[R]) {
        let pairs = sums.iter().zip(values);
        if let Some(op) = weight.unit() {
            return pairs.for_each(|(sum, &value)| sum.take(b, op, value));
        }
        let weight = self.weight(b, weight);
        pairs.for_each(|(sum, &value)| sum.fma(b, weight, value));
    }

    /// Adds the products of a row, loading each weight for all registers.
    fn multiply_loading(
        &self,
        b: &mut KernelBuilder,
        sums: &[Vec<R>],
        elements: &[(i64, Products)],
        row: &mut Row<R>,
    ) {
        let columns = columns::<R>(self.args.column);
        let registers = sums.first().map_or(0, Vec::len) as i64;
        for (dx, products) in elements {
            let values: Vec<R> = (0..registers).map(|c| row.get(b, dx + c * columns)).collect();
            for (sum, weight) in products {
                self.add(b, &sums[*sum], weight, &values);
            }
        }
    }

    /// What follows the sums, and the stores: in the registers of the sums if these have all operations, else in
    /// vectors.
    fn finish(&self, b: &mut KernelBuilder, ptrs: &Ptrs, sums: &[Vec<R>], column: i64) {
        let first = self.stencil.epilogue;
        let second = self.stencil.then.as_ref().map(|then| then.epilogue);
        let simple = |epilogue: &Epilogue| Simple::of(epilogue.expr.as_ref());
        match (simple(first), second.map_or(Some(Simple::nothing()), simple)) {
            (Some(mut first), Some(mut second)) => {
                let after = After {
                    first: |b: &mut KernelBuilder, sum: R, _| first.apply(b, sum),
                    second: |b: &mut KernelBuilder, sum: R| second.apply(b, sum),
                };
                self.store(b, ptrs, sums, column, &self.mixture, after);
            }
            _ => {
                let after = After {
                    first: |b: &mut KernelBuilder, sum: R, vector| {
                        let sum = sum.vector(b, vector);
                        apply(b, first, sum)
                    },
                    second: |b: &mut KernelBuilder, sum| second.map_or(sum, |second| apply(b, second, sum)),
                };
                self.store(b, ptrs, sums, column, &[], after);
            }
        }
    }

    fn store<Q: Register>(
        &self,
        b: &mut KernelBuilder,
        ptrs: &Ptrs,
        sums: &[Vec<R>],
        column: i64,
        mixture: &[Q],
        mut after: After<impl AfterSums<R, Q>, impl FnMut(&mut KernelBuilder, Q) -> Q>,
    ) {
        if let (Some(then), Some(weights)) = (&self.stencil.then, self.args.then) {
            return self.mix(b, ptrs, sums, column, (then.planes, weights, mixture), after);
        }
        let outs = self.stencil.weights.len();
        let start = self.bytes(column);
        let mut plane = ptrs.dst;
        for out in 0..outs {
            if let Some(by) = self.args.plane.filter(|_| out > 0) {
                b.set_ptr(ptrs.plane, plane, Offset::Int(by));
                plane = ptrs.plane;
            }
            let mut at = plane;
            for row in 0..self.rows.count {
                if row > 0 {
                    b.set_ptr(ptrs.out, at, Offset::Int(self.args.pitches[1]));
                    at = ptrs.out;
                }
                for (register, (sum, part)) in parts::<R, Q>(&sums[row * outs + out]).enumerate() {
                    let value = (after.first)(b, sum, part);
                    value.store(b, at.at(start + register as i32 * Q::BYTES));
                }
            }
        }
    }

    /// The planes that follow from the channels: row by row and plane by plane, for wide registers do not go to memory
    /// and come back.
    fn mix<Q: Register>(
        &self,
        b: &mut KernelBuilder,
        ptrs: &Ptrs,
        sums: &[Vec<R>],
        column: i64,
        (planes, (w, bias), held): (usize, (Ptr, Option<Ptr>), &[Q]),
        mut after: After<impl AfterSums<R, Q>, impl FnMut(&mut KernelBuilder, Q) -> Q>,
    ) {
        let start = self.bytes(column);
        let mut row = ptrs.dst;
        for (number, sums) in sums.chunks(self.stencil.weights.len()).enumerate() {
            if number > 0 {
                b.set_ptr(ptrs.out, row, Offset::Int(self.args.pitches[1]));
                row = ptrs.out;
            }
            let channels: Vec<Vec<Q>> = sums
                .iter()
                .map(|sums| parts::<R, Q>(sums).map(|(sum, part)| (after.first)(b, sum, part)).collect())
                .collect();
            let registers = channels.first().map_or(0, Vec::len);
            let mut at = row;
            for plane in 0..planes as i32 {
                if let Some(by) = self.args.plane.filter(|_| plane > 0) {
                    b.set_ptr(ptrs.plane, at, Offset::Int(by));
                    at = ptrs.plane;
                }
                let mixed: Vec<Q> = (0..registers).map(|_| Q::new(b)).collect();
                match bias.map(|bias| bias.at(4 * plane)) {
                    None => Q::start(b, &mixed, None),
                    Some(bias) => Q::fill(b, &mixed, |sum, b| sum.load_splat(b, bias)),
                }
                for (channel, values) in (0..).zip(&channels) {
                    let number = plane * channels.len() as i32 + channel;
                    let held = held.get(number as usize).copied();
                    let weight = held.unwrap_or_else(|| Q::splat(b, w.at(4 * number)));
                    mixed.iter().zip(values).for_each(|(sum, &value)| sum.fma(b, weight, value));
                }
                for (register, value) in mixed.into_iter().enumerate() {
                    let value = (after.second)(b, value);
                    value.store(b, at.at(start + register as i32 * Q::BYTES));
                }
            }
        }
    }
}

/// What is applied to a part of a register of sums, and to what channels are mixed to.
struct After<F, G> {
    first: F,
    second: G,
}

/// From a register and the number of a part of it.
trait AfterSums<R, Q>: FnMut(&mut KernelBuilder, R, u32) -> Q {}

impl<R, Q, F: FnMut(&mut KernelBuilder, R, u32) -> Q> AfterSums<R, Q> for F {}

/// Registers of a row as registers of another size, each with the number of the part.
fn parts<R: Register, Q: Register>(sums: &[R]) -> impl Iterator<Item = (R, u32)> {
    sums.iter().flat_map(|&sum| (0..R::VECTORS / Q::VECTORS).map(move |part| (sum, part)))
}

/// What belongs to a channel, in every lane that is of it: one number, or those of a block.
fn load_channel<R: Register>(b: &mut KernelBuilder, register: R, at: Addr, one: bool) {
    if one { register.load_splat(b, at) } else { register.load_vector(b, at) }
}

/// An epilogue that reads no buffer.
fn apply(b: &mut KernelBuilder, epilogue: &Epilogue, sum: Vreg) -> Vreg {
    match &epilogue.expr {
        None => sum,
        Some(expr) => pointwise::emit_expr(b, expr, |_, _| sum),
    }
}
