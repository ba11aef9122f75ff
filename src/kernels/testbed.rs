//! What the tests of lowerings share: buffers run in the interpreter, each a base of its own, so that
//! an access beyond either end is an error.

use proptest::prelude::*;

use super::interpret::{FmaRounding, Memory, run_units};
use super::ir::{Kernel, Stmt};
use super::lower::{LowerError, Lowering};
use super::step::{Base, Lowered, Nest, Step};
use super::verify::verify;
use crate::graph::{BinaryOp, Graph};
use crate::plan::task::{Epilogue, Operand, Pointwise, PointwiseOp};
use crate::plan::{Buffer, BufferId, Fill, Halo, Layout, LayoutKind, Plan};
use crate::target::Target;

/// Bits of what nobody wrote: a NaN that no operation makes.
const UNWRITTEN: u32 = 0xffc0_dead;

/// An element: lead, channel, row, column. Rows and columns of the halo lie outside of the dims.
pub(super) type At = [i64; 4];

/// Buffers with what they hold.
pub(super) struct Bed {
    target: Target,
    buffers: Vec<Buffer>,
    words: Vec<Vec<u32>>,
    /// The kernels of the last run.
    pub(super) kernels: Vec<Kernel>,
}

impl Bed {
    pub(super) fn new() -> Bed {
        Bed::for_target(Target::X64_AVX2)
    }

    pub(super) fn for_target(target: Target) -> Bed {
        Bed { target, buffers: Vec::new(), words: Vec::new(), kernels: Vec::new() }
    }

    /// A buffer, all NaN.
    pub(super) fn buffer(&mut self, dims: [u64; 4], kind: LayoutKind, halo: Halo) -> BufferId {
        let base = Base::Output(self.buffers.len() as u32);
        let buffer = Buffer { value: None, dims, layout: Layout { kind, halo }, base, offset: 0, kept: None };
        self.words.push(vec![UNWRITTEN; buffer.bytes() as usize / 4]);
        self.buffers.push(buffer);
        BufferId(self.buffers.len() as u32 - 1)
    }

    /// A dense planar buffer that holds `values`.
    pub(super) fn dense(&mut self, dims: [u64; 4], values: &[f32]) -> BufferId {
        let id = self.buffer(dims, LayoutKind::Planar, Halo::NONE);
        for (word, value) in self.words[id.0 as usize].iter_mut().zip(values) {
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
        f32::from_bits(self.words[id.0 as usize][self.word(id, at)])
    }

    pub(super) fn set(&mut self, id: BufferId, at: At, value: f32) {
        let word = self.word(id, at);
        self.words[id.0 as usize][word] = value.to_bits();
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
            target: self.target,
            buffers: self.buffers.clone(),
            prepare: Vec::new(),
            run: Vec::new(),
            strips: Vec::new(),
            consts: Vec::new(),
            packed_bytes: 0,
            arena_bytes: 0,
            local_bytes: 0,
        };
        let mut low = Lowering::new(&plan);
        let steps = lower(&mut low).expect("lowers");
        let (kernels, consts, local_bytes) = low.finish();
        let lowered = Lowered {
            kernels,
            prepare: Vec::new(),
            run: steps.into_iter().map(|nests| Step { name: String::new(), nests }).collect(),
            consts,
            packed_bytes: 0,
            arena_bytes: 0,
            local_bytes,
            input_bytes: Vec::new(),
            output_bytes: self.buffers.iter().map(Buffer::bytes).collect(),
            param_bytes: Vec::new(),
        };
        let problems = verify(&lowered);
        assert!(problems.is_empty(), "{problems:#?}");
        let forwards = self.interpret(&lowered, false);
        assert!(forwards == self.interpret(&lowered, true), "units depend on each other");
        let free: std::collections::HashSet<usize> = self
            .elements(out)
            .into_iter()
            .filter(|at| allowed(self, *at))
            .map(|at| self.word(out, at))
            .collect();
        for (id, (before, after)) in self.words.iter().zip(&forwards).enumerate() {
            let is_out = id == out.0 as usize;
            for (word, (before, after)) in before.iter().zip(after).enumerate() {
                let may_change = is_out && free.contains(&word);
                assert!(before == after || may_change, "word {word} of buffer {id} was overwritten");
            }
        }
        self.words = forwards;
        self.kernels = lowered.kernels;
    }

    /// How many statements the kernels of the last run have.
    pub(super) fn statements(&self) -> usize {
        self.kernels.iter().map(|k| statements(&k.body)).sum()
    }

    fn interpret(&self, lowered: &Lowered, reverse: bool) -> Vec<Vec<u32>> {
        let mut memory = Memory::new(lowered).expect("memory");
        let place = |id: usize| lowered.base_index(Base::Output(id as u32));
        for (id, words) in self.words.iter().enumerate() {
            memory.buffers[place(id)] = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        }
        for step in &lowered.run {
            let units = step.units();
            for i in 0..units {
                let unit = if reverse { units - 1 - i } else { i };
                run_units(lowered, step, unit..unit + 1, &mut memory, FmaRounding::Once).expect("runs");
            }
        }
        let words =
            |bytes: &Vec<u8>| bytes.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b)).collect();
        (0..self.words.len()).map(|id| words(&memory.buffers[place(id)])).collect()
    }
}

fn statements(body: &[Stmt]) -> usize {
    let count = |stmt: &Stmt| match stmt {
        Stmt::Inst(_) | Stmt::Advance { .. } | Stmt::Lookup { .. } => 1,
        Stmt::Loop { body, .. } => statements(body),
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

/// That many cases, and no files beside the sources.
pub(super) fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// The bound of a sum of `n` numbers whose magnitudes add up to `magnitude`.
pub(super) fn bound(n: usize, magnitude: f64) -> f64 {
    (n + 3) as f64 * 2f64.powi(-24) * magnitude + 2e-7
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

/// A window and an output that the tests of windows share.
#[derive(Clone, Debug)]
pub(super) struct Windowed {
    pub(super) kind: LayoutKind,
    /// `[lead, channels, height, width]` of the result.
    pub(super) out: [u64; 4],
    /// Rows and columns of the input.
    pub(super) size: [u64; 2],
    pub(super) taps: Vec<(i32, i32)>,
    pub(super) stride: [u32; 2],
    /// Around the result.
    pub(super) halo: Halo,
    /// Which axes of the epilogue's operand are broadcast.
    pub(super) broadcast: Option<[bool; 4]>,
}

impl Windowed {
    /// The input: exactly the halo that the taps need, more columns being NaN.
    pub(super) fn input(&self, bed: &mut Bed, channels: u64) -> BufferId {
        self.input_for(bed, channels, [self.out[2], self.out[3]])
    }

    /// As [`Self::input`], for `count` rows and columns of output.
    pub(super) fn input_for(&self, bed: &mut Bed, channels: u64, count: [u64; 2]) -> BufferId {
        let reach = |axis: usize| {
            let of = |t: &(i32, i32)| if axis == 0 { t.0 } else { t.1 };
            let first = self.taps.iter().map(of).min().unwrap_or(0);
            let last = self.taps.iter().map(of).max().unwrap_or(0)
                + (count[axis] as i32 - 1) * self.stride[axis] as i32;
            ((-first).max(0) as u32, (last + 1 - self.size[axis] as i32).max(0) as u32)
        };
        let ((top, bottom), (left, right)) = (reach(0), reach(1));
        let halo = Halo { top, bottom, left, right, fill: Fill::Zero };
        bed.random([self.out[0], channels, self.size[0], self.size[1]], self.kind, halo, true)
    }

    /// An epilogue `operand − sum` and the operand.
    pub(super) fn epilogue(&self, bed: &mut Bed) -> (Epilogue, Option<BufferId>) {
        let Some(broadcast) = self.broadcast else {
            return (Epilogue::default(), None);
        };
        let mut dims = self.out;
        for (dim, once) in dims.iter_mut().zip(broadcast) {
            if once {
                *dim = 1;
            }
        }
        let one_channel = dims[1] == 1 && self.out[1] > 1;
        let kind = if one_channel { LayoutKind::Planar } else { self.kind };
        let halo = Halo { top: 1, bottom: 0, left: 2, right: 1, fill: Fill::Zero };
        let operand = bed.random(dims, kind, halo, false);
        let expr = Pointwise {
            inputs: vec![Operand::Sum, Operand::Buffer(operand)],
            ops: vec![
                PointwiseOp::Operand(0),
                PointwiseOp::Operand(1),
                PointwiseOp::Binary(BinaryOp::Sub, 1, 0),
            ],
        };
        (Epilogue { expr: Some(expr) }, Some(operand))
    }

    /// What the epilogue makes of a sum.
    pub(super) fn finished(&self, bed: &Bed, operand: Option<BufferId>, at: At, sum: f64) -> f64 {
        let Some(operand) = operand else {
            return sum;
        };
        let dims = bed.dims(operand);
        let from = std::array::from_fn(|axis| if dims[axis] == 1 { 0 } else { at[axis] });
        f64::from(bed.get(operand, from)) - sum
    }
}

/// Windows of a few taps, and some that are too large to be unrolled.
pub(super) fn windows() -> impl Strategy<Value = Windowed> {
    let grid = |most: i32| {
        (1..=most, 1..=most, 1..3i32, 1..3i32, -3..2i32, -3..2i32).prop_map(|(h, w, dy, dx, y, x)| {
            (0..h * w).map(|i| (y + i / w * dy, x + i % w * dx)).collect::<Vec<_>>()
        })
    };
    let scattered = proptest::collection::vec((-4..5i32, -4..5i32), 1..12);
    let row = (130..300i32).prop_map(|w| (0..w).map(|x| (0, x - 5)).collect::<Vec<_>>());
    let rows = (20..30i32).prop_map(|w| (0..w * w).map(|i| (i / w - 3, (i % w) * 2 - 3)).collect::<Vec<_>>());
    let wide = (130..150i32).prop_map(|w| (0..2 * w).map(|i| (i / w * 2, i % w - 3)).collect::<Vec<_>>());
    let many = proptest::collection::vec((-9..9i32, -9..9i32), 130..200);
    let taps = prop_oneof![8 => grid(4), 4 => scattered, 1 => row, 1 => rows, 1 => wide, 1 => many];
    (
        layouts(),
        (1..3u64, 1..18u64, 1..4u64, prop_oneof![1..70u64, 1..20u64]),
        (1..6u64, 1..60u64),
        taps,
        (1..4u32, prop_oneof![2 => Just(1u32), 1 => 2..5u32]),
        halos(2),
        proptest::option::of(any_axes()),
    )
        .prop_map(|(kind, out, size, taps, stride, halo, broadcast)| Windowed {
            kind,
            out: [out.0, out.1, out.2, out.3],
            size: [size.0, size.1],
            taps,
            stride: [stride.0, stride.1],
            halo,
            broadcast,
        })
}

/// Targets without and with registers of 16 lanes.
pub(super) fn targets() -> impl Strategy<Value = Target> {
    prop_oneof![Just(Target::X64_AVX2), Just(Target::X64_AVX512)]
}

fn any_axes() -> impl Strategy<Value = [bool; 4]> {
    proptest::array::uniform4(any::<bool>())
}
