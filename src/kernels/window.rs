//! Walking the taps of a window from a pointer: unrolled up to a limit, in loops beyond it.
//!
//! Taps are visited in the order of the list, whatever the form. No form tests for borders: every tap
//! lies in the buffer or its halo.

use super::build::KernelBuilder;
use super::call::{CallBuilder, equally_spaced};
use super::ir::{Addr, Count, Int, Offset, Ptr};
use super::lower::{LowerError, Lowering, distance};
use super::step::{Base, CallArg};
use crate::plan::View;

/// Appends the code of some taps, given the addresses of their elements and weights.
type Visit<'a> = dyn FnMut(&mut KernelBuilder, &[(Addr, Addr)]) + 'a;

/// Operations on accumulators that one copy of the code of a tile may have.
pub(super) const UNROLLED: usize = 512;
/// Taps in the body of a loop over columns.
const COLUMNS: usize = 16;

/// A tap in bytes: its row's number, its place in the row, and its weight's.
#[derive(Clone, Copy, Debug)]
struct Tap {
    row: i64,
    column: i32,
    weight: i32,
}

/// A window, with the arguments that walking it takes already declared.
pub(super) struct Window {
    form: Form,
    /// Where the walk stands in the input and in the weights.
    x: Ptr,
    w: Ptr,
}

enum Form {
    /// Runs of taps in one row, each with the distance to the next.
    Unrolled(Vec<(Vec<Tap>, Option<Int>)>),
    /// Equal rows, equally spaced; `next` is the distance from a row's end to the next row.
    Rows { row: Row, count: u32, next: Option<Int>, next_weight: i32 },
    /// Any list: pairs of byte offsets.
    Table { table: Ptr, at: Ptr, count: u32, x: (i32, i32), w: (i32, i32) },
}

/// A row of taps.
enum Row {
    Unrolled(Vec<Tap>),
    /// `loops` times the taps of `body` and an advance, then `rest`.
    Loop {
        body: Vec<Tap>,
        loops: u32,
        advance: (i32, i32),
        rest: Vec<Tap>,
    },
}

/// Byte offset of the first tap's row from the output's row: pointers to walk from include it.
pub(super) fn first_row(taps: &[(i32, i32)], x: &View) -> i64 {
    taps.first().map_or(0, |tap| i64::from(tap.0) * x.strides[2])
}

impl Window {
    /// `weights` are the byte offsets of the taps' weights; `work` is how many operations a tap takes;
    /// `dims` is how many dims the nest has.
    pub(super) fn declare(
        taps: &[(i32, i32)],
        weights: &[i64],
        x: &View,
        work: usize,
        dims: usize,
        c: &mut CallBuilder,
        low: &mut Lowering,
    ) -> Result<Window, LowerError> {
        if weights.len() != taps.len() {
            return Err(LowerError::Plan("taps without weights"));
        }
        let mut list = Vec::with_capacity(taps.len());
        for ((dy, dx), weight) in taps.iter().zip(weights) {
            // Half of what an instruction holds is left to the units of a tile.
            let column = distance(2 * i64::from(*dx) * x.column_bytes())? / 2;
            list.push(Tap { row: i64::from(*dy), column, weight: distance(*weight)? });
        }
        let form = if list.len() * work <= UNROLLED {
            unrolled(&list, x, c)
        } else if let Some(form) = rows(&list, x, work, c)? {
            form
        } else {
            table(&list, x, dims, c, low)?
        };
        Ok(Window { form, x: c.b.ptr(), w: c.b.ptr() })
    }

    /// Appends `visit` for all taps in order, some at a time, with the addresses of their elements and
    /// weights. `x` is [`first_row`] away from the output's place in the input.
    pub(super) fn walk(&self, b: &mut KernelBuilder, x: Ptr, w: Ptr, visit: &mut Visit<'_>) {
        match &self.form {
            Form::Unrolled(runs) => {
                let mut at = x;
                for (taps, next) in runs {
                    visit(b, &addresses(taps, at, w));
                    if let Some(next) = next {
                        b.set_ptr(self.x, at, Offset::Int(*next));
                        at = self.x;
                    }
                }
            }
            Form::Rows { row, count, next, next_weight } => {
                b.set_ptr(self.x, x, Offset::Bytes(0));
                b.set_ptr(self.w, w, Offset::Bytes(0));
                b.repeat(Count::Static(*count), |b| {
                    self.row(b, row, visit);
                    if let Some(next) = next {
                        b.advance_int(self.x, *next);
                    }
                    b.advance(self.w, *next_weight);
                });
            }
            Form::Table { table, at, count, x: x_bounds, w: w_bounds } => {
                b.set_ptr(*at, *table, Offset::Bytes(0));
                b.repeat(Count::Static(*count), |b| {
                    b.lookup(self.x, x, at.at(0), *x_bounds);
                    b.lookup(self.w, w, at.at(4), *w_bounds);
                    visit(b, &[(self.x.at(0), self.w.at(0))]);
                    b.advance(*at, 8);
                });
            }
        }
    }

    fn row(&self, b: &mut KernelBuilder, row: &Row, visit: &mut Visit<'_>) {
        let mut taps = |b: &mut KernelBuilder, taps: &[Tap]| {
            if !taps.is_empty() {
                visit(b, &addresses(taps, self.x, self.w));
            }
        };
        match row {
            Row::Unrolled(list) => taps(b, list),
            Row::Loop { body, loops, advance, rest } => {
                b.repeat(Count::Static(*loops), |b| {
                    taps(b, body);
                    b.advance(self.x, advance.0);
                    b.advance(self.w, advance.1);
                });
                taps(b, rest);
            }
        }
    }
}

fn addresses(taps: &[Tap], x: Ptr, w: Ptr) -> Vec<(Addr, Addr)> {
    taps.iter().map(|tap| (x.at(tap.column), w.at(tap.weight))).collect()
}

/// Runs of one row each; equal distances between rows share an argument.
fn unrolled(list: &[Tap], x: &View, c: &mut CallBuilder) -> Form {
    let runs: Vec<&[Tap]> = list.chunk_by(|a, b| a.row == b.row).collect();
    let mut gaps: Vec<(i64, Int)> = Vec::new();
    let mut form = Vec::new();
    for (i, run) in runs.iter().enumerate() {
        let next = runs.get(i + 1).and_then(|next| next.first());
        let gap = next.zip(run.first()).map(|(b, a)| b.row - a.row);
        let int = gap.map(|gap| match gaps.iter().find(|(known, _)| *known == gap) {
            Some((_, int)) => *int,
            None => {
                let int = c.int(gap * x.strides[2]);
                gaps.push((gap, int));
                int
            }
        });
        form.push((run.to_vec(), int));
    }
    Form::Unrolled(form)
}

/// Loops over rows, and over columns where a row alone is too long; none where the taps are no grid.
fn rows(list: &[Tap], x: &View, work: usize, c: &mut CallBuilder) -> Result<Option<Form>, LowerError> {
    let Some(first) = list.chunk_by(|a, b| a.row == b.row).next() else {
        return Ok(None);
    };
    let columns: Vec<i64> = first.iter().map(|t| i64::from(t.column)).collect();
    let weights: Vec<i64> = first.iter().map(|t| i64::from(t.weight)).collect();
    // Rows may differ from the first by where they stand alone.
    let starts: Vec<&[Tap]> = list.chunks(first.len()).collect();
    let row_places: Vec<i64> = starts.iter().filter_map(|r| r.first()).map(|t| t.row).collect();
    let row_weights: Vec<i64> =
        starts.iter().filter_map(|r| r.first()).map(|t| i64::from(t.weight)).collect();
    let (Some((_, gap)), Some((_, weight_gap))) = (equally_spaced(&row_places), equally_spaced(&row_weights))
    else {
        return Ok(None);
    };
    let equal = starts.iter().all(|row| {
        row.len() == first.len()
            && row.iter().zip(first).all(|(a, b)| {
                a.row == row[0].row
                    && a.column == b.column
                    && a.weight - row[0].weight == b.weight - first[0].weight
            })
    });
    if !equal {
        return Ok(None);
    }
    let (row, moved) = if first.len() * work <= UNROLLED {
        (Row::Unrolled(first.to_vec()), (0, 0))
    } else {
        let (Some((_, dx)), Some((_, dw))) = (equally_spaced(&columns), equally_spaced(&weights)) else {
            return Ok(None);
        };
        let (body, _) = first.split_at(COLUMNS.min(first.len()));
        let (loops, n) = (first.len() / body.len(), body.len() as i64);
        let row = Row::Loop {
            body: body.to_vec(),
            loops: loops as u32,
            advance: (distance(n * dx)?, distance(n * dw)?),
            rest: body[..first.len() % body.len()].to_vec(),
        };
        (row, (loops as i64 * n * dx, loops as i64 * n * dw))
    };
    let next = gap * x.strides[2] - moved.0;
    Ok(Some(Form::Rows {
        row,
        count: starts.len() as u32,
        next: (starts.len() > 1).then(|| c.int(next)),
        next_weight: distance(weight_gap - moved.1)?,
    }))
}

/// Offsets from the first row, in the constants.
fn table(
    list: &[Tap],
    x: &View,
    dims: usize,
    c: &mut CallBuilder,
    low: &mut Lowering,
) -> Result<Form, LowerError> {
    let first = list.first().map_or(0, |t| t.row);
    let mut pairs = Vec::with_capacity(list.len());
    for tap in list {
        pairs.push((distance((tap.row - first) * x.strides[2] + i64::from(tap.column))?, tap.weight));
    }
    let bytes: Vec<u8> =
        pairs.iter().flat_map(|(x, w)| [x.to_le_bytes(), w.to_le_bytes()]).flatten().collect();
    let offset = low.constants(&bytes);
    let table =
        c.ptr(CallArg::Ptr { base: Base::Consts, offset, strides: vec![0; dims], tables: Vec::new() });
    let bounds = |of: fn(&(i32, i32)) -> i32| {
        let values = pairs.iter().map(of);
        (values.clone().min().unwrap_or(0), values.max().unwrap_or(0))
    };
    let (x, w) = (bounds(|p| p.0), bounds(|p| p.1));
    Ok(Form::Table { table, at: c.b.ptr(), count: list.len() as u32, x, w })
}
