//! What the tests of lowerings share: buffers with NaN around them, run in the interpreter.

use proptest::prelude::*;

use super::interpret::{FmaRounding, Memory, run_units};
use super::ir::Stmt;
use super::lower::{LowerError, Lowering};
use super::step::{Base, Lowered, Nest, Step};
use super::verify::verify;
use crate::graph::Graph;
use crate::plan::{Buffer, BufferId, Fill, Halo, Layout, LayoutKind, Plan};
use crate::target::Target;

/// Bits of what nobody wrote: a NaN that no operation makes.
const UNWRITTEN: u32 = 0xffc0_dead;

/// An element: lead, channel, row, column. Rows and columns of the halo lie outside of the dims.
pub(super) type At = [i64; 4];

/// Buffers in an arena, with a gap after each.
pub(super) struct Bed {
    buffers: Vec<Buffer>,
    arena: Vec<u32>,
    /// How many instructions the kernels of the last run had.
    pub(super) instructions: usize,
}

impl Bed {
    pub(super) fn new() -> Bed {
        Bed { buffers: Vec::new(), arena: vec![UNWRITTEN; 16], instructions: 0 }
    }

    /// A buffer, all NaN.
    pub(super) fn buffer(&mut self, dims: [u64; 4], kind: LayoutKind, halo: Halo) -> BufferId {
        let offset = 4 * self.arena.len() as u64;
        let buffer = Buffer { value: None, dims, layout: Layout { kind, halo }, base: Base::Arena, offset };
        let words = (buffer.bytes() / 4).next_multiple_of(16) as usize + 16;
        self.arena.resize(self.arena.len() + words, UNWRITTEN);
        self.buffers.push(buffer);
        BufferId(self.buffers.len() as u32 - 1)
    }

    /// A dense planar buffer that holds `values`.
    pub(super) fn dense(&mut self, dims: [u64; 4], values: &[f32]) -> BufferId {
        let id = self.buffer(dims, LayoutKind::Planar, Halo::NONE);
        let start = self.buffers[id.0 as usize].offset as usize / 4;
        for (word, value) in self.arena[start..].iter_mut().zip(values) {
            *word = value.to_bits();
        }
        id
    }

    /// A buffer with numbers in it: elements inside, also the halo where `halo_too`, 0 in padding lanes.
    pub(super) fn random(
        &mut self,
        dims: [u64; 4],
        kind: LayoutKind,
        halo: Halo,
        halo_too: bool,
    ) -> BufferId {
        let id = self.buffer(dims, kind, halo);
        let mut numbers = Numbers::new(id.0 as u64 + dims.iter().sum::<u64>());
        for at in self.elements(id) {
            if !self.is_inside(id, at) && !halo_too {
                continue;
            }
            let padding = at[1] >= dims[1] as i64;
            self.set(id, at, if padding { 0.0 } else { numbers.next() });
        }
        id
    }

    pub(super) fn dims(&self, id: BufferId) -> [i64; 4] {
        self.buffers[id.0 as usize].dims.map(|d| d as i64)
    }

    fn word(&self, id: BufferId, [n, c, y, x]: At) -> usize {
        let v = self.buffers[id.0 as usize].view();
        let (plane, lane) = if v.kind == LayoutKind::Blocked { (c / 8, c % 8) } else { (c, 0) };
        let [sn, sp, sy, sx] = v.strides;
        ((v.origin + n * sn + plane * sp + y * sy + x * sx) / 4 + lane) as usize
    }

    pub(super) fn get(&self, id: BufferId, at: At) -> f32 {
        f32::from_bits(self.arena[self.word(id, at)])
    }

    pub(super) fn set(&mut self, id: BufferId, at: At, value: f32) {
        let word = self.word(id, at);
        self.arena[word] = value.to_bits();
    }

    /// All elements, halo and padding lanes included.
    pub(super) fn elements(&self, id: BufferId) -> Vec<At> {
        let Buffer { dims: [n, c, h, w], layout: Layout { kind, halo }, .. } = self.buffers[id.0 as usize];
        let c = if kind == LayoutKind::Blocked { c.next_multiple_of(8) } else { c };
        let ys = -i64::from(halo.top)..h as i64 + i64::from(halo.bottom);
        let xs = -i64::from(halo.left)..w as i64 + i64::from(halo.right);
        let mut all = Vec::new();
        for n in 0..n as i64 {
            for c in 0..c as i64 {
                for y in ys.clone() {
                    all.extend(xs.clone().map(|x| [n, c, y, x]));
                }
            }
        }
        all
    }

    /// Whether an element is not of the halo.
    pub(super) fn is_inside(&self, id: BufferId, [_, _, y, x]: At) -> bool {
        let [_, _, h, w] = self.dims(id);
        (0..h).contains(&y) && (0..w).contains(&x)
    }

    /// Lowers and runs; nothing but elements of `out` that `allowed` names may change. The order of the
    /// units makes no difference.
    pub(super) fn run(
        &mut self,
        out: BufferId,
        allowed: impl Fn(&Bed, At) -> bool,
        lower: impl FnOnce(&mut Lowering) -> Result<Vec<Vec<Nest>>, LowerError>,
    ) {
        let graph = Graph {
            name: String::new(),
            nodes: Vec::new(),
            inputs: Vec::new(),
            consts: Vec::new(),
            params: Vec::new(),
            outputs: Vec::new(),
            weights: None,
            labels: None,
        };
        let plan = Plan {
            graph,
            target: Target::X64_AVX2,
            buffers: self.buffers.clone(),
            prepare: Vec::new(),
            run: Vec::new(),
            consts: Vec::new(),
            packed_bytes: 0,
            arena_bytes: 4 * self.arena.len() as u64,
        };
        let mut low = Lowering::new(&plan);
        let steps = lower(&mut low).expect("lowers");
        let (kernels, consts) = low.finish();
        self.instructions = kernels.iter().map(|k| instructions(&k.body)).sum();
        let lowered = Lowered {
            kernels,
            prepare: Vec::new(),
            run: steps.into_iter().map(|nests| Step { name: String::new(), nests }).collect(),
            consts,
            packed_bytes: 0,
            arena_bytes: plan.arena_bytes,
            input_bytes: Vec::new(),
            output_bytes: Vec::new(),
            param_bytes: Vec::new(),
        };
        assert_eq!(verify(&lowered), [], "{lowered}");
        let forwards = self.interpret(&lowered, false);
        assert!(forwards == self.interpret(&lowered, true), "units depend on each other");
        let free: std::collections::HashSet<usize> = self
            .elements(out)
            .into_iter()
            .filter(|at| allowed(self, *at))
            .map(|at| self.word(out, at))
            .collect();
        for (word, (before, after)) in self.arena.iter().zip(&forwards).enumerate() {
            assert!(before == after || free.contains(&word), "word {word} was overwritten");
        }
        self.arena = forwards;
    }

    fn interpret(&self, lowered: &Lowered, reverse: bool) -> Vec<u32> {
        let mut memory = Memory::new(lowered).expect("memory");
        let arena = lowered.base_index(Base::Arena);
        memory.buffers[arena] = self.arena.iter().flat_map(|w| w.to_le_bytes()).collect();
        for step in &lowered.run {
            let units = step.units();
            for i in 0..units {
                let unit = if reverse { units - 1 - i } else { i };
                run_units(lowered, step, unit..unit + 1, &mut memory, FmaRounding::Once).expect("runs");
            }
        }
        memory.buffers[arena].as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b)).collect()
    }
}

fn instructions(body: &[Stmt]) -> usize {
    let count = |stmt: &Stmt| match stmt {
        Stmt::Inst(_) | Stmt::Advance { .. } | Stmt::Lookup { .. } => 1,
        Stmt::Loop { body, .. } => instructions(body),
    };
    body.iter().map(count).sum()
}

/// Small numbers in no order.
pub(super) struct Numbers(u64);

impl Numbers {
    pub(super) fn new(seed: u64) -> Numbers {
        Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678)
    }

    /// Between −1 and 1.
    pub(super) fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 40) as i32 - (1 << 23)) as f32 / (1 << 23) as f32
    }

    pub(super) fn take(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.next()).collect()
    }
}

/// Halos of up to `most` rows and columns.
pub(super) fn halos(most: u32) -> impl Strategy<Value = Halo> {
    let side = 0..=most;
    (side.clone(), side.clone(), side.clone(), side).prop_map(|(top, bottom, left, right)| Halo {
        top,
        bottom,
        left,
        right,
        fill: Fill::Zero,
    })
}

pub(super) fn layouts() -> impl Strategy<Value = LayoutKind> {
    prop_oneof![Just(LayoutKind::Planar), Just(LayoutKind::Blocked)]
}
