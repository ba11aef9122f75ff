//! Tasks of convolutions, filters, transposed convolutions and linear layers of one row.

use super::algorithm::{Algorithm, algorithm};
use super::build::{Builder, PlanError};
use super::dims::dims4;
use super::fuse::Group;
use super::known::drop_zero_taps;
use super::task::{Contract, Depthwise, PackPanels, Phase as Positions, PlanarConv, TaskKind};
use super::tiles::{most_pixels, tile_vectors};
use super::transposed::transposed;
use super::values::Form;
use super::window::{strides, taps};
use super::{BufferId, Halo, Layout, LayoutKind, Phase, Task};
use crate::graph::{Op, Value};
use crate::kernels::ir::LANES;

/// A convolution, or one phase of a transposed one, as taps.
pub(super) struct Correlation {
    pub(super) taps: Vec<(i32, i32)>,
    /// For each tap, its index in the weights.
    pub(super) tap_index: Vec<u32>,
    pub(super) stride: [u32; 2],
    pub(super) positions: [Positions; 2],
}

/// The weights of a node as its task needs them.
pub(super) struct Weights {
    pub(super) w: Value,
    pub(super) bias: Option<Value>,
    /// Whether input channels come first.
    pub(super) transposed: bool,
    /// Taps of a channel.
    taps: u64,
    groups: u64,
    pub(super) in_channels: u64,
    pub(super) out_channels: u64,
}

impl Builder<'_> {
    /// Tasks of a node with weights or taps, with its group's epilogue.
    pub(super) fn convolution(&mut self, root: Value, group: &Group) -> Result<(), PlanError> {
        let graph = self.graph;
        let node = graph.node(root);
        let Some((algorithm, reason)) = algorithm(graph, root, &self.kinds) else {
            return Err(PlanError::Bug("a node without weights has no algorithm"));
        };
        if algorithm == Algorithm::MatMul {
            return self.linear_rows(root, reason);
        }
        let out = dims4(&node.ty);
        let whole = |n: u64| -> Result<Positions, PlanError> {
            Ok(Positions { start: 0, step: 1, count: u32::try_from(n).map_err(|_| PlanError::TooFar)? })
        };
        let one = |taps: Vec<(i32, i32)>, stride: [u32; 2]| -> Result<Vec<Correlation>, PlanError> {
            let tap_index = (0..taps.len() as u32).collect();
            let positions = [whole(out[2])?, whole(out[3])?];
            Ok(vec![Correlation { taps, tap_index, stride, positions }])
        };
        let (groups, transposed_weights, mut correlations) = match &node.op {
            Op::Conv(conv) => (conv.groups, false, one(taps(&conv.window)?, strides(conv.window.stride)?)?),
            Op::Filter(window, _) => (1, false, one(taps(window)?, strides(window.stride)?)?),
            Op::ConvTranspose(conv) => (conv.groups, true, transposed(conv, [out[2], out[3]])?),
            Op::Linear => {
                let positions = [whole(1)?, whole(1)?];
                (
                    1,
                    false,
                    vec![Correlation { taps: vec![(0, 0)], tap_index: vec![0], stride: [1, 1], positions }],
                )
            }
            _ => return Err(PlanError::Bug("not a convolution")),
        };
        let linear = matches!(node.op, Op::Linear);
        let weights = Weights {
            w: node.args[1],
            bias: node.args.get(2).copied().filter(|&bias| !self.is_nothing(bias)),
            transposed: transposed_weights,
            taps: match &node.op {
                Op::Conv(conv) => conv.window.kernel[0] * conv.window.kernel[1],
                Op::ConvTranspose(conv) => conv.window.kernel[0] * conv.window.kernel[1],
                Op::Filter(window, _) => window.kernel[0] * window.kernel[1],
                _ => 1,
            },
            groups,
            in_channels: if linear {
                graph.ty(node.args[0]).dims.last().copied().unwrap_or(1)
            } else {
                dims4(graph.ty(node.args[0]))[1]
            },
            out_channels: if linear { node.ty.dims.last().copied().unwrap_or(1) } else { out[1] },
        };
        // A contraction's taps are a grid; planar and shared ones are any list.
        if (matches!(algorithm, Algorithm::Planar) || matches!(node.op, Op::Filter(..)))
            && let Some(known) = self.known(weights.w)
        {
            drop_zero_taps(&mut correlations, known, weights.taps);
        }
        match algorithm {
            Algorithm::Contract(x_kind) => {
                let reason = self.winograd_reason(root).unwrap_or(reason);
                match (self.winograd_of(root), correlations.as_slice()) {
                    (Some(choice), [one]) => self.winograd(root, group, &weights, &one.taps, choice, reason),
                    _ => self.contract(root, group, x_kind, &weights, correlations, reason),
                }
            }
            Algorithm::MatMul => Err(PlanError::Bug("a product of matrices is no convolution")),
            Algorithm::Planar => self.planar(root, group, &weights, correlations, reason),
            Algorithm::Depthwise(kind) => self.depthwise(root, group, kind, &weights, correlations, reason),
        }
    }

    fn contract(
        &mut self,
        root: Value,
        group: &Group,
        x_kind: LayoutKind,
        weights: &Weights,
        correlations: Vec<Correlation>,
        reason: String,
    ) -> Result<(), PlanError> {
        let node = self.graph.node(root);
        // A linear layer's features must be adjacent.
        let vector = matches!(node.op, Op::Linear);
        let x = if vector { self.features(node.args[0])? } else { self.source(node, x_kind)? };
        let blocks = (weights.out_channels / weights.groups).div_ceil(LANES as u64);
        let one_pixel = vector || dims4(&node.ty)[2..] == [1, 1];
        let vectors = tile_vectors(blocks, one_pixel, self.target);
        let bias = match weights.bias {
            Some(bias) => Some(self.channels(bias, weights.out_channels, LayoutKind::Blocked)?),
            None => None,
        };
        let mut tasks = Vec::new();
        for part in correlations {
            let pack = PackPanels {
                w: self.values.dense(weights.w)?,
                transposed: weights.transposed,
                out_channels: weights.out_channels,
                in_channels: weights.in_channels / weights.groups,
                groups: weights.groups,
                tap_index: part.tap_index,
                w_taps: weights.taps as u32,
                block: if vector || x_kind == LayoutKind::Blocked { LANES as u32 } else { 1 },
                vectors,
            };
            let w = self.pack(weights.w, pack, &node.name)?;
            let task = Contract {
                x,
                w,
                bias,
                groups: weights.groups,
                taps: part.taps,
                stride: part.stride,
                phase: part.positions,
                vectors,
                pixels: most_pixels(vectors, self.target),
                epilogue: self.epilogue(group, root, LayoutKind::Blocked)?,
            };
            tasks.push(TaskKind::Contract(task));
        }
        self.make_all(group, LayoutKind::Blocked, tasks, reason)
    }

    /// The last axis of a value as features, all axes before it as `lead`.
    pub(super) fn features(&mut self, x: Value) -> Result<BufferId, PlanError> {
        let ty = self.graph.ty(x);
        let features = ty.dims.last().copied().unwrap_or(1);
        let dims = [ty.elements() / features, features, 1, 1];
        self.values.need(x, Form { dims, layout: Layout::DENSE, exact: true })
    }

    /// Weights into panels, in the phase in which they are known.
    pub(super) fn pack(&mut self, w: Value, pack: PackPanels, name: &str) -> Result<BufferId, PlanError> {
        let floats = pack.panels().bytes() / 4;
        let phase = self.values.phase(w);
        let out = self.values.fresh(phase, None, [1, 1, 1, floats.max(1)], Layout::DENSE);
        let reason = format!("panels of {} output channels", pack.vectors * LANES as u32);
        self.values
            .push(phase, Task { name: name.to_owned(), kind: TaskKind::PackPanels(pack), out, reason });
        Ok(out)
    }

    fn planar(
        &mut self,
        root: Value,
        group: &Group,
        weights: &Weights,
        correlations: Vec<Correlation>,
        reason: String,
    ) -> Result<(), PlanError> {
        let node = self.graph.node(root);
        let epilogue = self.epilogue(group, root, LayoutKind::Planar)?;
        let one_channel = weights.in_channels == weights.groups;
        let bare = match correlations.as_slice() {
            [part] if one_channel => self.bare(node, part, &epilogue)?,
            _ => None,
        };
        let x = match bare {
            Some(x) => x,
            None => self.source(node, LayoutKind::Planar)?,
        };
        let w = self.values.dense(weights.w)?;
        let bias = match weights.bias {
            Some(bias) => Some(self.channels(bias, weights.out_channels, LayoutKind::Planar)?),
            None => None,
        };
        let single = weights.in_channels == 1 && !weights.transposed;
        let known: Vec<f32> = match self.known(weights.w) {
            Some(known) if single => known.to_vec(),
            _ => Vec::new(),
        };
        let mut tasks = Vec::new();
        for part in correlations {
            let task = PlanarConv {
                x,
                w,
                bias,
                groups: weights.groups,
                taps: part.taps,
                tap_index: part.tap_index,
                w_taps: weights.taps as u32,
                known: known.clone(),
                w_transposed: weights.transposed,
                stride: part.stride,
                phase: part.positions,
                epilogue: epilogue.clone(),
                then: None,
            };
            let both = self.mix(node.args[0], &task);
            tasks.push(both.unwrap_or(TaskKind::PlanarConv(task)));
        }
        self.make_all(group, LayoutKind::Planar, tasks, reason)
    }

    fn depthwise(
        &mut self,
        root: Value,
        group: &Group,
        kind: LayoutKind,
        weights: &Weights,
        correlations: Vec<Correlation>,
        reason: String,
    ) -> Result<(), PlanError> {
        let node = self.graph.node(root);
        let shared = matches!(node.op, Op::Filter(..));
        let epilogue = self.epilogue(group, root, kind)?;
        let bare = match correlations.as_slice() {
            [part] if kind == LayoutKind::Planar => self.bare(node, part, &epilogue)?,
            _ => None,
        };
        let x = match bare {
            Some(x) => x,
            None => self.framed(node, kind)?,
        };
        let channels = if shared { 1 } else { weights.out_channels };
        let dims = [1, channels, 1, weights.taps];
        let w_kind = if shared { LayoutKind::Planar } else { kind };
        let layout = Layout { kind: w_kind, halo: Halo::NONE };
        let whole = self.values.need(weights.w, Form { dims, layout, exact: true })?;
        let bias = match weights.bias {
            Some(bias) => Some(self.channels(bias, weights.out_channels, kind)?),
            None => None,
        };
        let mut tasks = Vec::new();
        for part in correlations {
            // Weights follow the taps one by one.
            let of_taps = |known: &[f32]| -> Vec<f32> {
                part.tap_index.iter().filter_map(|&tap| known.get(tap as usize).copied()).collect()
            };
            let known = self.known(weights.w).filter(|_| shared).map(of_taps).unwrap_or_default();
            let w = match known.len() as u64 {
                0 => whole,
                all if all == weights.taps => whole,
                kept => self.values.constant(None, [1, 1, 1, kept], &known),
            };
            tasks.push(TaskKind::Depthwise(Depthwise {
                x,
                w,
                shared,
                bias,
                taps: part.taps,
                known,
                stride: part.stride,
                epilogue: epilogue.clone(),
            }));
        }
        self.make_all(group, kind, tasks, reason)
    }

    /// One value for each channel, as `[1, C, 1, 1]`.
    pub(super) fn channels(
        &mut self,
        value: Value,
        channels: u64,
        kind: LayoutKind,
    ) -> Result<BufferId, PlanError> {
        let layout = Layout { kind, halo: Halo::NONE };
        self.values.need(value, Form { dims: [1, channels, 1, 1], layout, exact: true })
    }

    /// Tasks that together write one value.
    pub(super) fn make_all(
        &mut self,
        group: &Group,
        kind: LayoutKind,
        tasks: Vec<TaskKind>,
        reason: String,
    ) -> Result<(), PlanError> {
        let tail = group.tail().ok_or(PlanError::Bug("an empty group"))?;
        let name = self.graph.node(tail).name.clone();
        let out = self.values.make_own(tail, kind);
        let phase: Phase = self.values.phase(tail);
        for kind in tasks {
            self.values.push(phase, Task { name: name.clone(), kind, out, reason: reason.clone() });
        }
        self.values.finish_own(tail, &name);
        Ok(())
    }
}
