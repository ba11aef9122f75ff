//! Lowers the filling of halos.
//!
//! Constants: columns beside the inside rows, and whole rows above and below, all in one step.
//! Otherwise two steps: the columns beside the inside rows come from these rows; then whole rows with
//! their corners are copied.

use super::build::KernelBuilder;
use super::call::CallBuilder;
use super::ir::{Addr, Count, Int, LANES, Offset, Ptr, Spills, VECTOR_BYTES, Vreg};
use super::lower::{LowerError, Lowering, distance};
use super::rows::{copy_run, fill_run};
use super::step::{Base, Call, CallArg, Nest, TableArg};
use crate::plan::{BufferId, Fill, Halo, LayoutKind, View};

#[cfg(test)]
mod tests;

/// Columns beside a row are unrolled up to this many vectors.
const UNROLLED: u64 = 8;

/// One unit fills the columns of a plane, one row above or below, or, with a constant, all of these.
pub(super) fn lower(fill: Fill, out: BufferId, low: &mut Lowering) -> Result<Vec<Vec<Nest>>, LowerError> {
    let halo = low.halo(out);
    let view = low.view(out);
    check_reach(fill, &halo, &view)?;
    let steps = match fill {
        Fill::Zero => vec![constant(0, &halo, &view, low)?],
        Fill::NegInfinity => vec![constant(f32::NEG_INFINITY.to_bits(), &halo, &view, low)?],
        Fill::Constant(bits) => vec![constant(bits, &halo, &view, low)?],
        Fill::Replicate | Fill::Reflect | Fill::Wrap => {
            vec![columns(fill, &halo, &view, low)?, rows(fill, &halo, &view, low)]
        }
    };
    Ok(steps.into_iter().filter(|nests| !nests.is_empty()).collect())
}

/// Reflection must not repeat the edge and neither it nor wrapping may read the halo.
fn check_reach(fill: Fill, halo: &Halo, view: &View) -> Result<(), LowerError> {
    let [_, _, height, width] = view.dims;
    let reach = |n: u64| match fill {
        Fill::Reflect => n - 1,
        Fill::Wrap => n,
        Fill::Zero | Fill::NegInfinity | Fill::Constant(_) | Fill::Replicate => u64::MAX,
    };
    let rows = u64::from(halo.top.max(halo.bottom));
    let cols = u64::from(halo.left.max(halo.right));
    if rows > reach(height) || cols > reach(width) {
        return Err(LowerError::Plan("a halo beyond the reach of reflection or wrapping"));
    }
    Ok(())
}

/// Planes by the number of real lanes of their columns: `(first, count, lanes)`; planar planes have all.
fn planes(view: &View) -> Vec<(u64, u64, usize)> {
    let planes = view.planes();
    if view.kind == LayoutKind::Planar || view.last_lanes() == LANES {
        return vec![(0, planes, LANES)];
    }
    let mut classes = vec![(0, planes - 1, LANES), (planes - 1, 1, view.last_lanes())];
    classes.retain(|class| class.1 > 0);
    classes
}

fn constant(bits: u32, halo: &Halo, view: &View, low: &mut Lowering) -> Result<Vec<Nest>, LowerError> {
    let [lead, plane, row, column] = view.strides;
    let [leads, _, height, _] = view.dims;
    let row_elements = (row / 4) as u64;
    let mut nests = Vec::new();
    for (first, count, lanes) in planes(view) {
        // Padding lanes hold 0 in the halo, too.
        let vector: Vec<u8> =
            (0..LANES).flat_map(|lane| if lane < lanes { bits } else { 0 }.to_le_bytes()).collect();
        let offset = low.constants(&vector);
        let value = CallArg::Ptr { base: Base::Consts, offset, strides: vec![0, 0], tables: Vec::new() };
        let start = first as i64 * plane - i64::from(halo.left) * column;
        let mut calls = Vec::new();
        if halo.left + halo.right > 0 {
            calls.push(side_columns(halo, view, first, Source::Vector(value.clone()), low)?);
        }
        for (rows, at) in [(halo.top, -i64::from(halo.top) * row), (halo.bottom, height as i64 * row)] {
            if rows > 0 {
                let dst = view.arg(start + at, &[lead, plane]);
                calls.push(fill_run(value.clone(), dst, u64::from(rows) * row_elements, low));
            }
        }
        if !calls.is_empty() {
            nests.push(Nest::new(vec![leads, count], calls));
        }
    }
    Ok(nests)
}

fn columns(fill: Fill, halo: &Halo, view: &View, low: &mut Lowering) -> Result<Vec<Nest>, LowerError> {
    if halo.left + halo.right == 0 {
        return Ok(Vec::new());
    }
    let call = side_columns(halo, view, 0, Source::Row(fill), low)?;
    Ok(vec![Nest::new(vec![view.dims[0], view.planes()], vec![call])])
}

/// What columns hold.
enum Source {
    /// The vector there.
    Vector(CallArg),
    /// Elements of the row.
    Row(Fill),
}

/// One side's columns: where they start and which elements they hold, in bytes from the row's first
/// element (left) or from behind its last (right).
struct Side {
    edge: Ptr,
    columns: u64,
    start: i64,
    /// Where the first one's element stands, and the bytes from one to the next.
    source: (Ptr, i64, i64),
}

/// Fills the columns on both sides of every inside row of a plane. The kernel knows the halo's widths,
/// not the row's.
fn side_columns(
    halo: &Halo,
    view: &View,
    first_plane: u64,
    source: Source,
    low: &mut Lowering,
) -> Result<Call, LowerError> {
    let [lead, plane, row, column] = view.strides;
    let start = first_plane as i64 * plane;
    let mut c = CallBuilder::new(format!("halo_columns_{}_{}", halo.left, halo.right));
    let left = c.ptr(view.arg(start, &[lead, plane]));
    let right = c.ptr(view.arg(start + view.dims[3] as i64 * column, &[lead, plane]));
    let pitch = c.int(row);
    let rows = c.int(view.dims[2] as i64);
    let value = match &source {
        Source::Vector(arg) => {
            let ptr = c.ptr(arg.clone());
            Some(c.b.load(ptr.at(0), LANES))
        }
        Source::Row(_) => None,
    };
    let fill = match source {
        Source::Vector(_) => Fill::Replicate,
        Source::Row(fill) => fill,
    };
    let (l, r) = (i64::from(halo.left), i64::from(halo.right));
    let [left_source, right_source] = match fill {
        Fill::Reflect => [(left, l * column, -column), (right, -2 * column, -column)],
        Fill::Wrap => [(right, -l * column, column), (left, 0, column)],
        Fill::Replicate | Fill::Zero | Fill::NegInfinity | Fill::Constant(_) => {
            [(left, 0, 0), (right, -column, 0)]
        }
    };
    let sides = [
        Side { edge: left, columns: l as u64, start: -l * column, source: left_source },
        Side { edge: right, columns: r as u64, start: 0, source: right_source },
    ];
    let walkers = Walkers { dst: c.b.ptr(), src: c.b.ptr(), column: distance(column)? };
    let mut widths = Vec::new();
    for side in &sides {
        distance(side.start)?;
        distance(side.source.1)?;
        widths.push(c.int((side.columns / walkers.columns_at_once()) as i64));
    }
    c.b.repeat(Count::Int(rows), |b| {
        for (side, width) in sides.iter().zip(widths) {
            walkers.side(b, side, value, width);
        }
        b.advance_int(left, pitch);
        b.advance_int(right, pitch);
    });
    Ok(c.finish(Spills::Allowed, low))
}

/// Pointers for sides that are too wide to be unrolled.
struct Walkers {
    dst: Ptr,
    src: Ptr,
    column: i32,
}

impl Walkers {
    /// Columns that one vector holds.
    fn columns_at_once(&self) -> u64 {
        VECTOR_BYTES as u64 / self.column as u64
    }

    fn side(&self, b: &mut KernelBuilder, side: &Side, value: Option<Vreg>, count: Int) {
        let at_once = self.columns_at_once();
        let (full, tail) = (side.columns / at_once, (side.columns % at_once) as usize);
        let (source, source_start, step) = side.source;
        let (start, source_start, step) = (side.start as i32, source_start as i32, step as i32);
        // The vector for the columns whose first element stands at an address.
        let element = |b: &mut KernelBuilder, at: Addr, lanes: usize| match value {
            Some(value) => value,
            None if self.column == VECTOR_BYTES as i32 => b.load(at, LANES),
            None if step == 0 => b.load_splat(at),
            None => b.load_strided(at, step, lanes),
        };
        let source_advance = step * at_once as i32;
        if full > UNROLLED {
            b.set_ptr(self.dst, side.edge, Offset::Bytes(start));
            b.set_ptr(self.src, source, Offset::Bytes(source_start));
            b.repeat(Count::Int(count), |b| {
                let value = element(b, self.src.at(0), LANES);
                b.store(self.dst.at(0), value, LANES);
                b.advance(self.dst, VECTOR_BYTES as i32);
                b.advance(self.src, source_advance);
            });
            if tail > 0 {
                let value = element(b, self.src.at(0), tail);
                b.store(self.dst.at(0), value, tail);
            }
            return;
        }
        let vectors = full as i32 + i32::from(tail > 0);
        for i in 0..vectors {
            let lanes = if i < full as i32 { LANES } else { tail };
            let value = element(b, source.at(source_start + i * source_advance), lanes);
            b.store(side.edge.at(start + i * VECTOR_BYTES as i32), value, lanes);
        }
    }
}

/// Copies whole rows, corners included, to where they are repeated.
fn rows(fill: Fill, halo: &Halo, view: &View, low: &mut Lowering) -> Vec<Nest> {
    let [lead, plane, row, column] = view.strides;
    let height = view.dims[2] as i64;
    let source = |y: i64| match fill {
        Fill::Reflect if y < 0 => -y,
        Fill::Reflect => 2 * (height - 1) - y,
        Fill::Wrap => y.rem_euclid(height),
        Fill::Replicate | Fill::Zero | Fill::NegInfinity | Fill::Constant(_) => y.clamp(0, height - 1),
    };
    let mut nests = Vec::new();
    for (first, count) in [(-i64::from(halo.top), halo.top), (height, halo.bottom)] {
        if count == 0 {
            continue;
        }
        let start = -i64::from(halo.left) * column;
        let offsets = (first..first + i64::from(count)).map(|y| source(y) * row).collect();
        let src = CallArg::Ptr {
            base: view.base,
            offset: view.origin + start,
            strides: vec![lead, plane, 0],
            tables: vec![TableArg { dim: 2, offsets }],
        };
        let dst = view.arg(start + first * row, &[lead, plane, row]);
        let call = copy_run(src, dst, (row / 4) as u64, low);
        nests.push(Nest::new(vec![view.dims[0], view.planes(), u64::from(count)], vec![call]));
    }
    nests
}
