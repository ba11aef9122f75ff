//! 1×1 convolutions between planes, as products of matrices: the rows of a plane follow each other, and vectors lie
//! along all of it.
//!
//! A tile is some registers of pixels in some output channels: 2 in 6 load 8 times for 12 FMAs, wide ones 2 in 13
//! 15 times for 26. A unit is the pixels of a tile in all output channels:
//! they are read from afar once, and the first tiles share in asking for those of the next unit meanwhile, for no processor
//! foresees steps as long as a plane. Every output sums input channels in their order.

use super::Weights;
use crate::kernels::build::KernelBuilder;
use crate::kernels::call::CallBuilder;
use crate::kernels::ir::{Cache, Count, Inst, LANES, LINE, Ptr, Spills, VECTOR_BYTES, Vreg, Wide};
use crate::kernels::lower::{LowerError, Lowering, distance};
use crate::kernels::pointwise::{self, Simple};
use crate::kernels::register::Register;
use crate::kernels::step::{Call, Nest};
use crate::plan::task::{Phase, PlanarConv};
use crate::plan::tiles::split_row;
use crate::plan::{BufferId, View};

/// Registers of pixels in a tile.
const REGISTERS: u64 = 2;
/// Output channels of a tile, at most: sums, pixels and a weight are in 15 of 16 registers, or 29 of 32 wide ones.
const CHANNELS: u32 = 6;
const WIDE_CHANNELS: u32 = 13;
/// Input channels of a loop's body.
const UNROLLED: u64 = 4;

/// Whether a convolution is of this kind, and worth it: of several channels, in planes without gaps.
fn fits(task: &PlanarConv, x: &View, out: &View) -> bool {
    let [rows, columns] = &task.phase;
    let whole = |phase: &Phase, n: u64| phase.is_dense() && u64::from(phase.count) == n;
    let dense = |view: &View| view.strides[3] == 4 && view.strides[2] == 4 * view.dims[3] as i64;
    task.groups == 1
        && task.taps == [(0, 0)]
        && task.stride == [1, 1]
        && task.then.is_none()
        && whole(rows, out.dims[2])
        && whole(columns, out.dims[3])
        && x.dims[2..] == out.dims[2..]
        && dense(x)
        && dense(out)
        && x.dims[1] >= u64::from(CHANNELS)
        && out.dims[1] >= u64::from(CHANNELS)
        && task.epilogue.reads_no_buffer()
}

/// Nothing where it is another convolution.
pub(super) fn lower(
    task: &PlanarConv,
    out: BufferId,
    low: &mut Lowering<'_>,
) -> Result<Option<Vec<Nest>>, LowerError> {
    let (x, out) = (low.view(task.x), low.view(out));
    if !fits(task, &x, &out) {
        return Ok(None);
    }
    let job = Job { task, weights: Weights::of(task, &x, &out), x, out };
    let pixels = job.out.dims[2] * job.out.dims[3];
    let wide = if low.target().has_wide() { pixels - pixels % (REGISTERS * Wide::LANES as u64) } else { 0 };
    let mut nests = job.tiles::<Wide>(WIDE_CHANNELS, Pixels { start: 0, count: wide }, low)?;
    nests.extend(job.tiles::<Vreg>(CHANNELS, Pixels { start: wide, count: pixels - wide }, low)?);
    Ok(Some(nests))
}

struct Job<'a> {
    task: &'a PlanarConv,
    weights: Weights,
    x: View,
    out: View,
}

/// Pixels that follow each other.
#[derive(Clone, Copy)]
struct Pixels {
    start: u64,
    count: u64,
}

/// The size of a tile: registers of pixels, lanes of the last one, and output channels.
#[derive(Clone, Copy)]
struct Size {
    registers: u64,
    last_lanes: usize,
    channels: u64,
}

impl Job<'_> {
    /// Tiles of `most` output channels. Of wide registers, all are whole.
    fn tiles<R: Register>(
        &self,
        most: u32,
        pixels: Pixels,
        low: &mut Lowering<'_>,
    ) -> Result<Vec<Nest>, LowerError> {
        let lanes = R::LANES as u64;
        let (units, rest) = (pixels.count / (REGISTERS * lanes), pixels.count % (REGISTERS * lanes));
        let last_lanes = match (rest % lanes) as usize {
            0 => R::LANES,
            lanes => lanes,
        };
        let parts = [
            (pixels.start, units, REGISTERS, R::LANES),
            (pixels.start + pixels.count - rest, u64::from(rest > 0), rest.div_ceil(lanes), last_lanes),
        ];
        let mut nests = Vec::new();
        for (start, units, registers, last_lanes) in parts.into_iter().filter(|part| part.1 > 0) {
            let mut inner = Vec::new();
            let split = split_row(self.out.dims[1], most);
            let mut ahead = NextPixels::of(split.iter().map(|part| part.1).sum(), units);
            let mut first = 0;
            for (channels, tiles) in split {
                let channels = u64::from(channels);
                let size = Size { registers, last_lanes, channels };
                let asking = ahead.tiles.min(tiles);
                for (tiles, ahead) in [(asking, Some(ahead)), (tiles - asking, None)] {
                    if tiles > 0 {
                        let call = self.call::<R>(size, [start, first], ahead, low)?;
                        inner.push(Nest::new(vec![tiles], vec![call]));
                        first += tiles * channels;
                    }
                }
                ahead = ahead.after(asking);
            }
            nests.push(Nest::around(vec![self.out.dims[0], units], inner));
        }
        Ok(nests)
    }

    /// A tile at a pixel and an output channel; `ahead`, whether it asks for the pixels of the next unit.
    fn call<R: Register>(
        &self,
        size: Size,
        [pixel, channel]: [u64; 2],
        ahead: Option<NextPixels>,
        low: &mut Lowering<'_>,
    ) -> Result<Call, LowerError> {
        let Size { registers, channels, .. } = size;
        let [pixel, channel, each] = [pixel, channel, channels].map(|n| n as i64);
        let far = if ahead.is_some() { "_far" } else { "" };
        let mut c = CallBuilder::new(format!("products_{channels}x{registers}x{}{far}", R::LANES));
        let bytes = registers as i64 * i64::from(R::BYTES);
        let x = c.ptr(self.x.arg(4 * pixel, &[self.x.strides[0], bytes, 0]));
        let asked = ahead.map(|ahead| {
            let planes = [ahead.asked, ahead.channels].map(|n| n as i64 * self.x.strides[1]);
            let at = 4 * pixel + bytes + planes[0];
            (c.ptr(self.x.arg(at, &[self.x.strides[0], bytes, planes[1]])), ahead.channels)
        });
        let w = low.view(self.task.w);
        let tap = 4 * self.task.tap_index.first().map_or(0, |&tap| i64::from(tap));
        let w = c.ptr(w.arg(channel * self.weights.out + tap, &[0, 0, each * self.weights.out]));
        let plane = self.out.strides[1];
        let out = self.out.arg(channel * plane + 4 * pixel, &[self.out.strides[0], bytes, each * plane]);
        let out = c.ptr(out);
        let bias = self.task.bias.map(|bias| c.ptr(low.view(bias).arg(4 * channel, &[0, 0, 4 * each])));
        let ins = self.weights.ins as u64;
        let loops = c.int((ins / UNROLLED) as i64);
        let next = c.int(self.x.strides[1]);
        let next_out = c.int(plane);
        let b = &mut c.b;
        let start = |b: &mut KernelBuilder, k: i32| match bias {
            Some(bias) => R::splat(b, bias.at(4 * k)),
            None => R::zero(b),
        };
        let sums: Vec<Vec<R>> =
            (0..channels as i32).map(|k| (0..registers).map(|_| start(b, k)).collect()).collect();
        let at = |k: usize, c: u64| distance(k as i64 * self.weights.out + c as i64 * self.weights.channel);
        let step = |b: &mut KernelBuilder, c: u64| -> Result<(), LowerError> {
            let values: Vec<R> = (0..registers as i32).map(|register| size.load(b, x, register)).collect();
            for (k, sums) in sums.iter().enumerate() {
                let weight = R::splat(b, w.at(at(k, c)?));
                for (sum, &value) in sums.iter().zip(&values) {
                    sum.fma(b, weight, value);
                }
            }
            b.advance_int(x, next);
            Ok(())
        };
        let mut done = Ok(());
        b.repeat(Count::Int(loops), |b| {
            done = (0..UNROLLED).try_for_each(|c| {
                if let Some((asked, channels)) = asked {
                    if c < channels {
                        for line in 0..(bytes + LINE - 1) / LINE {
                            b.inst(Inst::Prefetch {
                                addr: asked.at((line * LINE) as i32),
                                cache: Cache::Second,
                            });
                        }
                    }
                    b.advance_int(asked, next);
                }
                step(b, c)
            });
            b.advance(w, (UNROLLED as i64 * self.weights.channel) as i32);
        });
        done?;
        (0..ins % UNROLLED).try_for_each(|c| step(b, c))?;
        for (k, sums) in sums.iter().enumerate() {
            if k > 0 {
                b.advance_int(out, next_out);
            }
            for (register, &sum) in (0..).zip(sums) {
                self.store(b, size, out, register, sum);
            }
        }
        Ok(c.finish(Spills::Allowed, low))
    }

    /// What follows a sum, and the store.
    fn store<R: Register>(&self, b: &mut KernelBuilder, size: Size, out: Ptr, register: i32, sum: R) {
        let simple = Simple::of(self.task.epilogue.expr.as_ref());
        if let (Some(mut simple), true) = (simple, size.lanes(register) >= R::LANES) {
            return simple.apply(b, sum).store(b, out.at(register * R::BYTES));
        }
        for vector in 0..R::VECTORS {
            let value = sum.vector(b, vector);
            let value = match &self.task.epilogue.expr {
                None => value,
                Some(expr) => pointwise::emit_expr(b, expr, |_, _| value),
            };
            let at = out.at(register * R::BYTES + vector as i32 * VECTOR_BYTES as i32);
            b.store(at, value, size.lanes(register).min(LANES));
        }
    }
}

/// The channels that a tile asks for in a loop's body, of the next unit's pixels.
#[derive(Clone, Copy)]
struct NextPixels {
    channels: u64,
    /// By tiles before.
    asked: u64,
    /// How many tiles do so.
    tiles: u64,
}

impl NextPixels {
    fn of(tiles: u64, units: u64) -> NextPixels {
        let channels = UNROLLED.div_ceil(tiles.max(1));
        NextPixels { channels, asked: 0, tiles: if units > 1 { UNROLLED.div_ceil(channels) } else { 0 } }
    }

    fn after(self, tiles: u64) -> NextPixels {
        NextPixels { asked: self.asked + tiles * self.channels, tiles: self.tiles - tiles, ..self }
    }
}

impl Size {
    fn lanes(&self, register: i32) -> usize {
        if register as u64 + 1 == self.registers { self.last_lanes } else { usize::MAX }
    }

    fn load<R: Register>(&self, b: &mut KernelBuilder, x: Ptr, register: i32) -> R {
        let (value, at) = (R::new(b), x.at(register * R::BYTES));
        match self.lanes(register) {
            lanes if lanes < R::LANES => value.load_part(b, at, lanes, false),
            _ => value.load(b, at),
        }
        value
    }
}
