//! Reductions over any axes.

use super::build::{Builder, PlanError};
use super::task::{Reduce, TaskKind};
use super::{Layout, LayoutKind};
use crate::graph::{Node, ReduceKind, Value};

/// Neighbouring axes together, alternately reduced and kept.
fn runs(dims: &[u64], axes: &[usize]) -> Vec<(u64, bool)> {
    let mut runs: Vec<(u64, bool)> = Vec::new();
    for (axis, &dim) in dims.iter().enumerate().filter(|(_, dim)| **dim != 1) {
        let reduced = axes.contains(&axis);
        match runs.last_mut() {
            Some(last) if last.1 == reduced => last.0 *= dim,
            _ => runs.push((dim, reduced)),
        }
    }
    runs
}

impl Builder<'_> {
    pub(super) fn reduce(
        &mut self,
        value: Value,
        node: &Node,
        reduce: ReduceKind,
        axes: &[usize],
        kind: LayoutKind,
    ) -> Result<(), PlanError> {
        let reason = "eight partial sums".to_owned();
        let dims = &self.graph.ty(node.args[0]).dims;
        let rank = dims.len();
        // The axes before the last three are one; it is reduced as a whole or not at all.
        let leads = rank.saturating_sub(3);
        let of_leads = axes.iter().filter(|&&axis| axis < leads).count();
        if of_leads == 0 || of_leads == leads {
            let mut four = [false; 4];
            for &axis in axes {
                let at = if rank < 3 { axis + 2 - rank } else { (axis + 4).saturating_sub(rank) };
                four[at] = true;
            }
            let x = self.values.in_kind(node.args[0], kind)?;
            let task = TaskKind::Reduce(Reduce { x, kind: reduce, axes: four });
            self.make_value(value, kind, task, reason);
            return Ok(());
        }
        // Otherwise runs of axes are taken from the end, two reduced ones at a time: as
        // `[before, reduced, kept, reduced]`.
        let mut runs = runs(dims, axes);
        let mut x = self.values.dense(node.args[0])?;
        let own = self.dense_own(value);
        loop {
            let tail: u64 = runs.pop_if(|run| !run.1).map_or(1, |run| run.0);
            let first = runs.pop_if(|run| run.1).map_or(1, |run| run.0);
            let (kept, second) = if tail == 1 {
                let kept = runs.pop_if(|run| !run.1).map_or(1, |run| run.0);
                (kept, runs.pop_if(|run| run.1).map_or(1, |run| run.0))
            } else {
                (tail, 1)
            };
            let before: u64 = runs.iter().map(|run| run.0).product();
            let (from, four) = if tail == 1 {
                ([before, second, kept, first], [false, true, false, true])
            } else {
                ([before, first, kept, 1], [false, true, false, false])
            };
            let to = std::array::from_fn(|d| if four[d] { 1 } else { from[d] });
            let done = !runs.iter().any(|run| run.1);
            let phase = self.values.phase(value);
            let out = match done {
                true => self.values.alias(own, Some(value), to),
                false => self.values.fresh(phase, None, to, Layout::DENSE),
            };
            let source = self.values.alias(x, None, from);
            let task = TaskKind::Reduce(Reduce { x: source, kind: reduce, axes: four });
            self.push_own(value, out, task, reason.clone());
            if done {
                return Ok(());
            }
            // What is kept so far stands behind what is still to reduce.
            match runs.last_mut() {
                Some(last) if !last.1 => last.0 *= kept,
                _ => runs.push((kept, false)),
            }
            x = out;
        }
    }
}
