//! Transposed convolutions as correlations.
//!
//! Outputs that are `stride` apart see the same taps: each such phase is a correlation of its own. With
//! very many phases it is the definition that is computed: zeros between the elements of the input.

use super::build::{Builder, PlanError};
use super::conv::Correlation;
use super::copies::Strided;
use super::dims::dims4;
use super::task::Phase as Positions;
use super::window::halo;
use super::winograd::Choice;
use super::{BufferId, Fill, Halo, Layout, LayoutKind, Task, TaskKind};
use crate::graph::{ConvTranspose, Graph, Node, Op};
use crate::kernels::ir::LANES;

/// Phases are tasks: no stride of a real network has as many.
const MOST_PHASES: u64 = 1 << 12;

/// Along one axis of a transposed convolution, the taps of the outputs `phase, phase + stride, …`:
/// output o gets `x[(o + pad − i·d) / s] · w[i]` from each tap i for which the quotient is whole. In terms of
/// `j = (o − phase) / s` that is `x[j + offset]`. Sorted by offset.
fn phase_taps(kernel: u64, stride: u64, dilation: u64, pad: u64, phase: u64) -> Vec<(i64, u32)> {
    let mut taps: Vec<(i64, u32)> = (0..kernel)
        .filter_map(|i| {
            let at = (phase + pad) as i64 - (i * dilation) as i64;
            (at.rem_euclid(stride as i64) == 0).then_some((at.div_euclid(stride as i64), i as u32))
        })
        .collect();
    taps.sort_unstable();
    taps
}

/// Whether a transposed convolution has so many phases that its input is spread instead.
fn is_spread(conv: &ConvTranspose, out: [u64; 2]) -> bool {
    let phases = |axis: usize| conv.window.stride[axis].min(out[axis]);
    phases(0).saturating_mul(phases(1)) > MOST_PHASES
}

/// The correlation of the input with zeros between its elements.
fn spread(conv: &ConvTranspose, out: [u64; 2]) -> Result<Correlation, PlanError> {
    let window = &conv.window;
    let near = |o: i64| i32::try_from(o).map_err(|_| PlanError::TooFar);
    let mut taps = Vec::new();
    let mut tap_index = Vec::new();
    for i in (0..window.kernel[0]).rev() {
        for j in (0..window.kernel[1]).rev() {
            let at = |axis: usize, tap: u64| {
                near(window.pad.before(axis) as i64 - (tap * window.dilation[axis]) as i64)
            };
            taps.push((at(0, i)?, at(1, j)?));
            tap_index.push((i * window.kernel[1] + j) as u32);
        }
    }
    let whole = |n: u64| -> Result<Positions, PlanError> {
        Ok(Positions { start: 0, step: 1, count: u32::try_from(n).map_err(|_| PlanError::TooFar)? })
    };
    Ok(Correlation { taps, tap_index, stride: [1, 1], positions: [whole(out[0])?, whole(out[1])?] })
}

/// The correlations that make a transposed convolution: one for each phase, or one of the spread input.
pub(super) fn transposed(conv: &ConvTranspose, out: [u64; 2]) -> Result<Vec<Correlation>, PlanError> {
    if is_spread(conv, out) {
        return Ok(vec![spread(conv, out)?]);
    }
    let window = &conv.window;
    let axis = |a: usize, phase: u64| {
        let [k, s, d] = [window.kernel[a], window.stride[a], window.dilation[a]];
        phase_taps(k, s, d, window.pad.before(a), phase)
    };
    let narrow = |x: u64| u32::try_from(x).map_err(|_| PlanError::TooFar);
    let mut phases = Vec::new();
    for y in 0..window.stride[0].min(out[0]) {
        for x in 0..window.stride[1].min(out[1]) {
            let positions = |a: usize, start: u64| -> Result<Positions, PlanError> {
                let count = (out[a] - start).div_ceil(window.stride[a]);
                Ok(Positions {
                    start: narrow(start)?,
                    step: narrow(window.stride[a])?,
                    count: narrow(count)?,
                })
            };
            let (rows, columns) = (axis(0, y), axis(1, x));
            let mut taps = Vec::new();
            let mut tap_index = Vec::new();
            for &(dy, i) in &rows {
                for &(dx, j) in &columns {
                    let near = |o: i64| i32::try_from(o).map_err(|_| PlanError::TooFar);
                    taps.push((near(dy)?, near(dx)?));
                    tap_index.push(i * window.kernel[1] as u32 + j);
                }
            }
            phases.push(Correlation {
                taps,
                tap_index,
                stride: [1, 1],
                positions: [positions(0, y)?, positions(1, x)?],
            });
        }
    }
    Ok(phases)
}

/// The halo that all phases of a transposed convolution need.
pub(super) fn transposed_halo(
    graph: &Graph,
    node: &Node,
    conv: &ConvTranspose,
    winograd: Option<&Choice>,
) -> Result<Halo, PlanError> {
    let (Some([_, h, w]), Some([_, oh, ow])) = (graph.ty(node.args[0]).chw(), node.ty.chw()) else {
        return Err(PlanError::Bug("a transposed convolution on a value without rows and columns"));
    };
    if is_spread(conv, [oh, ow]) {
        return Ok(Halo::NONE);
    }
    let mut all = Halo::NONE;
    for phase in transposed(conv, [oh, ow])? {
        let count = phase.positions.map(|p| u64::from(p.count));
        let count = winograd.map_or(count, |choice| choice.covered(count));
        let one = halo(&phase.taps, [1, 1], count, [h, w], Fill::Zero);
        all.top = all.top.max(one.top);
        all.bottom = all.bottom.max(one.bottom);
        all.left = all.left.max(one.left);
        all.right = all.right.max(one.right);
    }
    Ok(all)
}

impl Builder<'_> {
    /// What a convolution reads: its argument with a halo, or spread.
    pub(super) fn source(&mut self, node: &Node, kind: LayoutKind) -> Result<BufferId, PlanError> {
        match (&node.op, node.ty.chw()) {
            (Op::ConvTranspose(conv), Some([_, h, w])) if is_spread(conv, [h, w]) => {
                self.spread(node, conv, [h, w], kind)
            }
            _ => self.framed(node, kind),
        }
    }

    /// The argument with `stride − 1` zeros between its rows and columns.
    fn spread(
        &mut self,
        node: &Node,
        conv: &ConvTranspose,
        out: [u64; 2],
        kind: LayoutKind,
    ) -> Result<BufferId, PlanError> {
        let arg = node.args[0];
        let [lead, c, h, w] = dims4(self.graph.ty(arg));
        let x = self.values.in_kind(arg, kind)?;
        let [sy, sx] = conv.window.stride;
        let size = [(h - 1) * sy + 1, (w - 1) * sx + 1];
        let taps = spread(conv, out)?.taps;
        let layout = Layout { kind, halo: halo(&taps, [1, 1], out, size, Fill::Zero) };
        let phase = self.values.phase(arg);
        let spread = self.values.fresh(phase, None, [lead, c, size[0], size[1]], layout);
        let (from, to) = (self.values.view(x), self.values.view(spread));
        let zeros = self.values.constant(None, [1, LANES as u64, 1, 1], &[0.0; LANES]);
        let vector = kind == LayoutKind::Blocked;
        let dims = |[h, w]: [u64; 2]| vec![lead, to.planes(), h, w];
        let background = Strided {
            dims: dims(size),
            x_offset: 0,
            x_strides: vec![0; 4],
            out_offset: 0,
            out_strides: to.strides.to_vec(),
        };
        let [lead_step, plane, row, column] = to.strides;
        let elements = Strided {
            dims: dims([h, w]),
            x_offset: 0,
            x_strides: from.strides.to_vec(),
            out_offset: 0,
            out_strides: vec![lead_step, plane, row * sy as i64, column * sx as i64],
        };
        let mut tasks = vec![
            (background.task(zeros, vector), "zeros between the elements"),
            (elements.task(x, vector), "elements a stride apart"),
        ];
        if !layout.halo.is_none() {
            tasks.push((TaskKind::FillHalo(Fill::Zero), "zeros around it"));
        }
        for (kind, reason) in tasks {
            let (name, reason) = (node.name.clone(), reason.to_owned());
            self.values.push(phase, Task { name, kind, out: spread, reason });
        }
        Ok(spread)
    }
}

#[cfg(test)]
mod tests {
    use super::phase_taps;

    #[test]
    fn phases_of_a_transposed_convolution_cover_each_tap_once() {
        for (k, s, d, pad) in [(4, 2, 1, 1), (3, 2, 1, 0), (3, 3, 2, 1), (5, 1, 1, 2), (2, 4, 1, 0)] {
            let mut seen: Vec<u32> =
                (0..s).flat_map(|phase| phase_taps(k, s, d, pad, phase)).map(|(_, i)| i).collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..k as u32).collect::<Vec<_>>(), "kernel {k}, stride {s}, dilation {d}");
        }
    }
}
