//! Padding: rows and columns are a halo that is read as if it were inside; other axes are copies.

use super::build::{Builder, PlanError};
use super::copies::{Strided, axis_strides};
use super::dims::dims4;
use super::values::Form;
use super::{BufferId, Fill, Halo, Layout, LayoutKind};
use crate::graph::{Node, PadMode, Value};

impl Builder<'_> {
    pub(super) fn pad(
        &mut self,
        value: Value,
        node: &Node,
        before: &[u64],
        after: &[u64],
        mode: PadMode,
        kind: LayoutKind,
    ) -> Result<(), PlanError> {
        let padded = |axis: usize| before[axis] + after[axis] > 0;
        let rank = before.len();
        if rank < 3 || (0..rank - 2).any(padded) {
            return self.pad_axes(value, node, before, after, mode);
        }
        let fill = match mode {
            PadMode::Constant(number) if number.to_bits() == 0 => Fill::Zero,
            PadMode::Constant(number) => Fill::Constant(number.to_bits()),
            PadMode::Replicate => Fill::Replicate,
            PadMode::Reflect => Fill::Reflect,
            PadMode::Wrap => Fill::Wrap,
        };
        let side = |list: &[u64], axis: usize| -> Result<u32, PlanError> {
            u32::try_from(list[rank - 2 + axis]).map_err(|_| PlanError::TooFar)
        };
        let halo = Halo {
            top: side(before, 0)?,
            bottom: side(after, 0)?,
            left: side(before, 1)?,
            right: side(after, 1)?,
            fill,
        };
        let halo = if halo.is_none() { Halo::NONE } else { halo };
        // The padded value is the argument with its halo, read as if the halo were inside.
        let x = node.args[0];
        let framed = Form { dims: dims4(self.graph.ty(x)), layout: Layout { kind, halo }, exact: true };
        let id = self.values.need(x, framed)?;
        let whole = self.values.unframed(id, value, dims4(&node.ty));
        self.values.set_own(value, whole);
        Ok(())
    }

    /// Any axes: the argument is copied to the middle, then what is before and after it, axis by axis.
    fn pad_axes(
        &mut self,
        value: Value,
        node: &Node,
        before: &[u64],
        after: &[u64],
        mode: PadMode,
    ) -> Result<(), PlanError> {
        let inside = self.graph.ty(node.args[0]).dims.clone();
        let x = self.values.in_kind(node.args[0], LayoutKind::Planar)?;
        let out = self.values.make_own(value, LayoutKind::Planar);
        let strides = axis_strides(&self.values.view(out), &node.ty.dims);
        let at =
            |start: &[u64]| -> i64 { start.iter().zip(&strides).map(|(&i, stride)| i as i64 * stride).sum() };
        let middle = Strided {
            dims: inside.clone(),
            x_offset: 0,
            x_strides: axis_strides(&self.values.view(x), &inside),
            out_offset: at(before),
            out_strides: strides.clone(),
        };
        self.push_own(value, out, middle.task(x, false), "inside the padding".to_owned());
        let number = match mode {
            PadMode::Constant(number) => Some(self.values.constant(None, [1; 4], &[number])),
            PadMode::Replicate | PadMode::Reflect | PadMode::Wrap => None,
        };
        for axis in 0..inside.len() {
            let (b, n, a) = (before[axis], inside[axis], after[axis]);
            // Along the axis: where the padding starts, how long it is, the first element that it
            // repeats and the step from one to the next.
            let (first, last) = (b as i64, (b + n) as i64 - 1);
            let sides = match mode {
                PadMode::Constant(_) | PadMode::Replicate => [(first, 0), (last, 0)],
                PadMode::Reflect => [(2 * first, -1), (last - 1, -1)],
                PadMode::Wrap => [(n as i64, 1), (first, 1)],
            };
            for ((start, length), (from, step)) in [(0, b), (b + n, a)].into_iter().zip(sides) {
                if length == 0 {
                    continue;
                }
                // Axes before this one are padded already, those after it are not yet.
                let mut dims = inside.clone();
                dims[..axis].copy_from_slice(&node.ty.dims[..axis]);
                dims[axis] = length;
                let mut corner = before.to_vec();
                corner[..axis].fill(0);
                corner[axis] = 0;
                let rest = at(&corner);
                let side = Strided {
                    dims,
                    x_offset: rest + from * strides[axis],
                    x_strides: strides.clone(),
                    out_offset: rest + start as i64 * strides[axis],
                    out_strides: strides.clone(),
                };
                self.push_side(value, out, side, axis, step, number);
            }
        }
        self.values.finish_own(value, &node.name);
        Ok(())
    }

    /// One side of one axis, from the value itself or from a number.
    fn push_side(
        &mut self,
        value: Value,
        out: BufferId,
        mut side: Strided,
        axis: usize,
        step: i64,
        number: Option<BufferId>,
    ) {
        let source = match number {
            Some(number) => {
                side.x_offset = 0;
                side.x_strides.fill(0);
                number
            }
            None => {
                side.x_strides[axis] *= step;
                out
            }
        };
        self.push_own(value, out, side.task(source, false), format!("padding of axis {axis}"));
    }
}
