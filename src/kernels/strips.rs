//! Lowers groups of tasks that run strip by strip: a step whose units are strips.
//!
//! Each task is lowered for the rows of one strip, as if its buffers were that high. Strips away from the
//! picture's edges differ in nothing but addresses, which grow by the same distance from one to the next: those that go
//! on in a band are one nest, made from two of them, and so are bands. Strips at the edges, where halos are filled and rows
//! are fewer, are bands of their own.

use super::axes::pieces;
use super::ir::LANES;
use super::lower::{Aliases, LowerError, Lowering, Scope};
use super::step::{CallArg, Nest};
use super::tasks;
use crate::plan::strips::{Along, StripRows};
use crate::plan::task::Pool;
use crate::plan::{BufferId, LayoutKind, Plan, Strips, Task, TaskKind};

const DIFFER: LowerError = LowerError::Plan("strips that differ");

/// The nests of one step.
pub(super) fn lower(strips: &Strips, plan: &Plan, low: &mut Lowering<'_>) -> Result<Vec<Nest>, LowerError> {
    let job = Job { strips, plan };
    let rows: Vec<StripRows> =
        (0..strips.count).map(|number| job.rows(number, None)).collect::<Result<_, _>>()?;
    let inside: Vec<bool> = rows.iter().map(|rows| job.is_inside(rows)).collect();
    let mut nests = Vec::new();
    let mut number = 0;
    while number < rows.len() {
        let run = inside[number..].iter().take_while(|inside| **inside).count();
        if run == 0 {
            nests.push(Nest::around(Vec::new(), job.strip(&rows[number], false, low)?));
            number += 1;
            continue;
        }
        for (first, size, count) in pieces(run as u64, strips.band) {
            nests.push(job.bands(number as u64 + first, size, count, low)?);
        }
        number += run;
    }
    low.scope(None);
    Ok(nests)
}

struct Job<'a> {
    strips: &'a Strips,
    plan: &'a Plan,
}

impl Job<'_> {
    fn tasks(&self) -> &[Task] {
        self.plan.run.get(self.strips.tasks.clone()).unwrap_or_default()
    }

    fn rows(&self, number: u64, before: Option<&StripRows>) -> Result<StripRows, LowerError> {
        StripRows::of(self.strips, number, before, &self.plan.run, &self.plan.buffers)
            .ok_or(LowerError::Plan("strips of a task that has no rows"))
    }

    /// `count` bands of `size` strips each, none of them at an edge.
    fn bands(&self, first: u64, size: u64, count: u64, low: &mut Lowering<'_>) -> Result<Nest, LowerError> {
        let one = self.band(first, size, low)?;
        if count == 1 {
            return Ok(Nest::around(Vec::new(), one));
        }
        let next = self.band(first + size, size, low)?;
        Ok(Nest::around(vec![count], along(one, &next)?))
    }

    /// A band: its first strip, then those that go on.
    fn band(&self, first: u64, size: u64, low: &mut Lowering<'_>) -> Result<Vec<Nest>, LowerError> {
        let mut rows = self.rows(first, None)?;
        let mut nests = self.strip(&rows, true, low)?;
        if size > 1 {
            rows = self.rows(first + 1, Some(&rows))?;
            let mut following = self.strip(&rows, true, low)?;
            if size > 2 {
                rows = self.rows(first + 2, Some(&rows))?;
                following = along(following, &self.strip(&rows, true, low)?)?;
                nests.push(Nest::around(vec![size - 1], following));
            } else {
                nests.extend(following);
            }
        }
        Ok(nests)
    }

    /// Whether a strip has all its rows, and none beyond the picture.
    fn is_inside(&self, rows: &StripRows) -> bool {
        // Also of what the group reads: where planes lie bare, kernels at the edges differ.
        let within = rows.is_within(self.strips.along, &self.plan.buffers);
        // The last block may have fewer channels than lanes.
        let out = self.plan.buffer(self.strips.out);
        let partial = self.strips.along == Along::Planes
            && out.view().last_lanes() < LANES
            && out.layout.kind == LayoutKind::Blocked
            && rows.needed(self.strips.out).is_some_and(|made| made.end as u64 == out.view().planes());
        let whole = rows
            .needed(self.strips.out)
            .is_some_and(|made| (made.end - made.start) as u64 == self.strips.size);
        within && whole && !partial
    }

    /// Copies that only add rows above and below: away from the edges the original has those rows.
    fn needless(&self) -> Aliases {
        let copies = self.tasks().iter().filter_map(|task| match &task.kind {
            TaskKind::Copy(copy) => Some((task.out, copy.x)),
            _ => None,
        });
        let sides = |id: BufferId| {
            let halo = self.plan.buffer(id).layout.halo;
            (halo.left, halo.right)
        };
        let rows = self.strips.along == Along::Rows;
        copies.filter(|&(out, _)| rows && out != self.strips.out && sides(out) == (0, 0)).collect()
    }

    /// The nests of one strip, one after the other.
    fn strip(&self, rows: &StripRows, inside: bool, low: &mut Lowering<'_>) -> Result<Vec<Nest>, LowerError> {
        let aliases = if inside { self.needless() } else { Aliases::new() };
        let mut nests = Vec::new();
        for task in self.tasks().iter().filter(|task| !aliases.contains_key(&task.out)) {
            let extent = self.strips.along.extent(self.plan.buffer(task.out));
            let made = rows.made(task.out, extent).ok_or(LowerError::Plan("a strip that needs no rows"))?;
            if made.is_empty() {
                continue;
            }
            let count = (made.end - made.start) as u64;
            low.scope(Some(Scope::new(self.plan, self.strips.along, task, &made, rows, &aliases)?));
            let kind = cut(&task.kind, self.strips.along, made.start as usize, count);
            for step in tasks::nests(&kind, task.out, low)? {
                nests.extend(step.into_iter().filter(|nest| !nest.is_empty()));
            }
        }
        Ok(nests)
    }
}

/// A task that makes only some rows or planes: what it says about them by number.
fn cut(kind: &TaskKind, along: Along, from: usize, count: u64) -> TaskKind {
    let mut kind = kind.clone();
    match &mut kind {
        TaskKind::Copy(copy) => {
            // Its dims are lead, plane, row and column.
            let dim = if along == Along::Rows { 2 } else { 1 };
            if let Some(extent) = copy.dims.get_mut(dim) {
                *extent = count;
            }
        }
        _ if along == Along::Planes => {}
        TaskKind::Contract(task) => task.phase[0].count = count as u32,
        TaskKind::PlanarConv(task) => task.phase[0].count = count as u32,
        TaskKind::Pool(Pool { rows, .. }) if !rows.is_empty() => {
            *rows = rows.get(from..from + count as usize).unwrap_or_default().to_vec();
        }
        _ => {}
    }
    kind
}

/// Nests with a dim around them whose first two indices give `first` and `second`, which differ in addresses alone.
fn along(first: Vec<Nest>, second: &[Nest]) -> Result<Vec<Nest>, LowerError> {
    if first.len() != second.len() {
        return Err(DIFFER);
    }
    first.into_iter().zip(second).map(|(a, b)| nest_along(a, b)).collect()
}

fn nest_along(mut first: Nest, second: &Nest) -> Result<Nest, LowerError> {
    if first.dims != second.dims || first.calls.len() != second.calls.len() {
        return Err(DIFFER);
    }
    for (a, b) in first.calls.iter_mut().zip(&second.calls) {
        if a.kernel != b.kernel || a.args.len() != b.args.len() {
            return Err(DIFFER);
        }
        for (a, b) in a.args.iter_mut().zip(&b.args) {
            match (a, b) {
                (CallArg::Int(a), CallArg::Int(b)) if *a == *b => {}
                (
                    CallArg::Ptr { base, offset, strides, tables },
                    CallArg::Ptr { base: base2, offset: offset2, strides: strides2, tables: tables2 },
                ) if base == base2 && strides == strides2 && tables == tables2 => {
                    strides.insert(0, *offset2 - *offset);
                    tables.iter_mut().for_each(|table| table.dim += 1);
                }
                _ => return Err(DIFFER),
            }
        }
    }
    first.inner = along(first.inner, &second.inner)?;
    Ok(first)
}
