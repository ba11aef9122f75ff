//! Products of matrices: two values, or a linear layer of several rows. What is on the right is packed
//! into panels, in the phase in which it is known.

use super::build::{Builder, PlanError};
use super::task::{Lead, MatMul, PackPanels, TaskKind};
use super::tiles::tile_vectors;
use super::{Halo, Layout, LayoutKind};
use crate::graph::{Node, Value};
use crate::kernels::ir::LANES;

/// The matrices of a result of axes `out`, given those of the arguments, aligned from the last.
fn leads(out: &[u64], x: &[u64], w: &[u64]) -> Vec<Lead> {
    // From one to the next along an axis; 0 where there is but one.
    let steps = |own: &[u64]| -> Vec<u64> {
        let mut steps = vec![0; out.len()];
        let mut step = 1;
        for (to, &dim) in steps.iter_mut().rev().zip(own.iter().rev()) {
            if dim > 1 {
                *to = step;
            }
            step *= dim;
        }
        steps
    };
    let mut leads: Vec<Lead> = Vec::new();
    for (&count, (x, w)) in out.iter().zip(steps(x).into_iter().zip(steps(w))) {
        match leads.last_mut() {
            _ if count == 1 => {}
            Some(last) if last.x == x * count && last.w == w * count => {
                *last = Lead { count: last.count * count, x, w };
            }
            _ => leads.push(Lead { count, x, w }),
        }
    }
    leads
}

impl Builder<'_> {
    /// A node of two run-time matrices.
    pub(super) fn matmul(&mut self, value: Value, node: &Node) -> Result<(), PlanError> {
        let graph = self.graph;
        let (x, w) = (&graph.ty(node.args[0]).dims, &graph.ty(node.args[1]).dims);
        let ([x_leads @ .., rows, inner], [w_leads @ .., _, columns], [out_leads @ .., _, _]) =
            (x.as_slice(), w.as_slice(), node.ty.dims.as_slice())
        else {
            return Err(PlanError::Bug("a product of what are no matrices"));
        };
        let matrices: u64 = w_leads.iter().product();
        // One matrix on the right: all rows on the left are one matrix.
        let (rows, leads) = match matrices {
            1 => (x_leads.iter().product::<u64>() * rows, Vec::new()),
            _ => (*rows, leads(out_leads, x_leads, w_leads)),
        };
        let vectors = tile_vectors(columns.div_ceil(LANES as u64), rows == 1, self.target);
        let pack = PackPanels {
            w: self.values.dense(node.args[1])?,
            transposed: true,
            out_channels: columns * matrices,
            in_channels: *inner,
            groups: matrices,
            tap_index: vec![0],
            w_taps: 1,
            block: LANES as u32,
            vectors,
        };
        let task = MatMul {
            x: self.features(node.args[0])?,
            w: self.pack(node.args[1], pack, &node.name)?,
            bias: None,
            rows,
            inner: *inner,
            columns: *columns,
            leads,
            vectors,
        };
        self.rows(value, node, task, format!("{matrices} matrices of {inner} rows in panels"))
    }

    /// A linear layer along the last axis of a value that has more.
    pub(super) fn linear_rows(&mut self, value: Value, reason: String) -> Result<(), PlanError> {
        let node = self.graph.node(value);
        let &[columns, inner] = self.graph.ty(node.args[1]).dims.as_slice() else {
            return Err(PlanError::Bug("a linear layer's weight is no matrix"));
        };
        let rows = node.ty.elements() / columns;
        let vectors = tile_vectors(columns.div_ceil(LANES as u64), rows == 1, self.target);
        let pack = PackPanels {
            w: self.values.dense(node.args[1])?,
            transposed: false,
            out_channels: columns,
            in_channels: inner,
            groups: 1,
            tap_index: vec![0],
            w_taps: 1,
            block: LANES as u32,
            vectors,
        };
        let bias = match node.args.get(2) {
            Some(&bias) => Some(self.channels(bias, columns, LayoutKind::Blocked)?),
            None => None,
        };
        let task = MatMul {
            x: self.features(node.args[0])?,
            w: self.pack(node.args[1], pack, &node.name)?,
            bias,
            rows,
            inner,
            columns,
            leads: Vec::new(),
            vectors,
        };
        self.rows(value, node, task, reason)
    }

    /// The task, and what makes its rows of blocks the value's own.
    fn rows(&mut self, value: Value, node: &Node, task: MatMul, reason: String) -> Result<(), PlanError> {
        let (columns, all) = (task.columns, node.ty.elements());
        let shape = [all / columns, columns];
        let own = self.dense_own(value);
        if columns.is_multiple_of(LANES as u64) {
            let out = self.values.alias_rows(own, shape);
            self.push_own(value, out, TaskKind::MatMul(task), reason);
            return Ok(());
        }
        let dims = [shape[0], columns, 1, 1];
        let blocked = Layout { kind: LayoutKind::Blocked, halo: Halo::NONE };
        let sums = self.values.fresh(self.values.phase(value), None, dims, blocked);
        self.push_own(value, sums, TaskKind::MatMul(task), reason);
        let out = self.values.alias(own, Some(value), dims);
        self.push_own(value, out, TaskKind::Convert { x: sums }, "blocks into rows".to_owned());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matrices_that_follow_each_other_on_both_sides_are_one_axis() {
        let lead = |count, x, w| Lead { count, x, w };
        assert_eq!(leads(&[2, 3], &[2, 3], &[2, 3]), [lead(6, 1, 1)]);
        assert_eq!(leads(&[2, 3], &[3], &[2, 1]), [lead(2, 0, 1), lead(3, 1, 0)]);
        assert_eq!(leads(&[2, 1, 3], &[2, 1, 3], &[2, 1, 1]), [lead(2, 3, 1), lead(3, 1, 0)]);
        assert_eq!(leads(&[4, 5], &[], &[4, 5]), [lead(20, 0, 1)]);
        assert_eq!(leads(&[], &[], &[]), []);
    }
}
