//! Lowers maxima and means of windows, on planes and on channel blocks.

use super::call::CallBuilder;
use super::ir::{Addr, Cmp, Count, Operand, Ptr, Spills, VecBinary, Vreg};
use super::lower::{LowerError, Lowering};
use super::step::{Base, Call, CallArg, Nest};
use super::tiles::{Frame, Fused, RowTiles, Units, row_tiles, unit_columns};
use super::window::{Window, first_row};
use crate::graph::PoolKind;
use crate::plan::task::Pool;
use crate::plan::{BufferId, LayoutKind, View};

#[cfg(test)]
mod tests;

/// Units of a tile: a maximum takes two registers for each.
const MOST_UNITS: u32 = 6;

/// One unit of work makes a row of a plane.
pub(super) fn lower(task: &Pool, out: BufferId, low: &mut Lowering) -> Result<Vec<Vec<Nest>>, LowerError> {
    let (x, out) = (low.view(task.x), low.view(out));
    if task.taps.is_empty() || x.kind != out.kind {
        return Err(LowerError::Plan("a pool of nothing or between layouts"));
    }
    let divisor = match task.kind {
        PoolKind::Max => None,
        PoolKind::Average { .. } => Some(Divisor::of(task, &out, low)?),
        PoolKind::Lp { .. } => return Err(LowerError::Plan("a norm pool")),
    };
    let mut calls = Vec::new();
    for tiles in row_tiles(out.dims[3], out.kind, MOST_UNITS) {
        calls.push(tile_row(task, &x, &out, &tiles, divisor.as_ref(), low)?);
    }
    Ok(vec![vec![Nest::new(vec![out.dims[0], out.planes(), out.dims[2]], calls)]])
}

/// What means are divided by.
enum Divisor {
    /// The same everywhere.
    Uniform(f32),
    /// The product of an entry for the row and one for the column: byte offsets in the constants.
    Tables { rows: i64, cols: i64 },
}

impl Divisor {
    fn of(task: &Pool, out: &View, low: &mut Lowering) -> Result<Divisor, LowerError> {
        if task.rows.len() as u64 != out.dims[2] || task.cols.len() as u64 != out.dims[3] {
            return Err(LowerError::Plan("divisors for other rows or columns"));
        }
        let uniform = |list: &[u32]| list.first().copied().filter(|first| list.iter().all(|n| n == first));
        if let (Some(row), Some(col)) = (uniform(&task.rows), uniform(&task.cols)) {
            return Ok(Divisor::Uniform((u64::from(row) * u64::from(col)) as f32));
        }
        let bytes = |list: &[u32]| list.iter().flat_map(|n| (*n as f32).to_le_bytes()).collect::<Vec<u8>>();
        Ok(Divisor::Tables {
            rows: low.constants(&bytes(&task.rows)),
            cols: low.constants(&bytes(&task.cols)),
        })
    }
}

/// Pointers to the divisors of the row and of the next columns.
enum Declared {
    Uniform(f32),
    Tables { row: Vreg, cols: Ptr, cols_bytes: i32 },
}

fn tile_row(
    task: &Pool,
    x: &View,
    out: &View,
    tiles: &RowTiles,
    divisor: Option<&Divisor>,
    low: &mut Lowering,
) -> Result<Call, LowerError> {
    let kind = out.kind;
    let [sy, sx] = task.stride.map(i64::from);
    let frame =
        Frame { dims: vec![(0, 1), (1, 1), (2, 1)], start: [0; 4], step: 1, row_step: 1 }.at(tiles, kind);
    let what = if divisor.is_some() { "average" } else { "max" };
    let mut c = CallBuilder::new(format!("{what}pool_t{}_u{}", task.taps.len(), tiles.units));
    let column = frame.start[3] * sx * x.strides[3];
    let src =
        c.ptr(x.arg(first_row(&task.taps, x) + column, &[x.strides[0], x.strides[1], sy * x.strides[2]]));
    let dst = c.ptr(frame.arg(out));
    let count = c.int(tiles.count as i64);
    let divisor = divisor.map(|divisor| match divisor {
        Divisor::Uniform(n) => Declared::Uniform(*n),
        Divisor::Tables { rows, cols } => {
            let at = |offset, row| CallArg::Ptr {
                base: Base::Consts,
                offset,
                strides: vec![0, 0, row],
                tables: Vec::new(),
            };
            let row = c.ptr(at(*rows, 4));
            let cols = c.ptr(at(cols + 4 * frame.start[3], 0));
            let row = c.b.load_splat(row.at(0));
            Declared::Tables { row, cols, cols_bytes: 4 * unit_columns(kind) as i32 }
        }
    });
    let read = Units::new(kind, sx)?;
    let write = Units::new(kind, 1)?;
    let window = Window::declare(&task.taps, &vec![0; task.taps.len()], x, tiles.units, 3, &mut c, low)?;
    let fused = Fused::declare(&task.epilogue, kind, &frame, 1, &mut c, low)?;
    c.b.repeat(Count::Int(count), |b| {
        let (first, combine) = match &divisor {
            Some(_) => (0.0, VecBinary::Add),
            None => (f32::NEG_INFINITY, VecBinary::Max),
        };
        let acc: Vec<Vreg> = (0..tiles.units).map(|_| b.splat(first)).collect();
        // `Max` forgets a NaN when a number follows. Whether there was one is kept beside it: an
        // unordered comparison looks at two elements at once, so every second tap makes one.
        let nan: Vec<Vreg> =
            if divisor.is_some() { Vec::new() } else { acc.iter().map(|_| b.splat(0.0)).collect() };
        window.walk(b, src, src, &mut |b, taps| {
            for pair in taps.chunks(2) {
                for (unit, &acc) in acc.iter().enumerate() {
                    let mut load = |at: Addr| {
                        let at = at.ptr.at(at.offset + unit as i32 * read.bytes);
                        read.load(b, at, tiles.lanes(unit))
                    };
                    let values: Vec<Vreg> = pair.iter().map(|(x, _)| load(*x)).collect();
                    if let (Some(&nan), [first, ..]) = (nan.get(unit), &values[..]) {
                        let mask = b.cmp(Cmp::Unordered, *first, values[values.len() - 1]);
                        b.binary_to(VecBinary::Or, nan, nan, mask);
                    }
                    for value in values {
                        b.binary_to(combine, acc, acc, value);
                    }
                }
            }
        });
        for (unit, &sum) in acc.iter().enumerate() {
            let lanes = tiles.lanes(unit);
            match &divisor {
                // A mask of all ones is itself a NaN.
                None => b.binary_to(VecBinary::Or, sum, sum, nan[unit]),
                Some(Declared::Uniform(n)) => b.binary_to(VecBinary::Div, sum, sum, *n),
                Some(Declared::Tables { row, cols, cols_bytes }) => {
                    let at = cols.at(unit as i32 * cols_bytes);
                    let cols = if kind == LayoutKind::Blocked { b.load_splat(at) } else { b.load(at, lanes) };
                    let both = b.binary(VecBinary::Mul, cols, Operand::Reg(*row));
                    b.binary_to(VecBinary::Div, sum, sum, both);
                }
            }
            let result = fused.apply(b, sum, unit, lanes);
            write.store(b, dst.at(unit as i32 * write.bytes), result, lanes);
        }
        b.advance(src, tiles.units as i32 * read.bytes);
        b.advance(dst, tiles.units as i32 * write.bytes);
        if let Some(Declared::Tables { cols, cols_bytes, .. }) = &divisor {
            b.advance(*cols, tiles.units as i32 * cols_bytes);
        }
        fused.advance(b, tiles.units);
    });
    Ok(c.finish(Spills::Allowed, low))
}
