//! Lowers conversions between planar buffers and channel blocks: 8 pixels of 8 channels at a time are
//! transposed in registers. Halos on either side are skipped.

use super::build::KernelBuilder;
use super::call::CallBuilder;
use super::ir::{Count, Inst, LANES, Offset, Ptr, Spills, VECTOR_BYTES, Vreg};
use super::lower::{LowerError, Lowering};
use super::step::{Call, CallArg, Nest};
use crate::plan::{BufferId, LayoutKind, View};

#[cfg(test)]
mod tests;

/// Rows shorter than this are joined where they are dense on both sides.
const SHORT_ROW: u64 = 64;

/// One unit converts a row of 8 channels.
pub(super) fn lower(x: BufferId, out: BufferId, low: &mut Lowering) -> Result<Vec<Vec<Nest>>, LowerError> {
    let (x, out) = (low.view(x), low.view(out));
    let (planar, blocked, direction) = match (x.kind, out.kind) {
        (LayoutKind::Planar, LayoutKind::Blocked) => (x, out, Direction::ToBlocked),
        (LayoutKind::Blocked, LayoutKind::Planar) => (out, x, Direction::ToPlanar),
        _ => return Err(LowerError::Plan("a conversion between equal layouts")),
    };
    if planar.dims != blocked.dims {
        return Err(LowerError::Plan("a conversion between different sizes"));
    }
    let [leads, channels, mut height, mut width] = planar.dims;
    let dense = |v: &View| v.strides[2] == width as i64 * v.strides[3];
    if width < SHORT_ROW && dense(&planar) && dense(&blocked) {
        (height, width) = (1, height * width);
    }
    let mut nests = Vec::new();
    let full = channels / LANES as u64;
    for (first, blocks, lanes) in [(0, full, LANES), (full, 1, (channels % LANES as u64) as usize)] {
        if blocks == 0 || lanes == 0 {
            continue;
        }
        let plane = planar.strides[1];
        let (p, v) = (&planar.strides, &blocked.strides);
        let planar_arg = planar.arg(first as i64 * 8 * plane, &[p[0], 8 * plane, p[2]]);
        let blocked_arg = blocked.arg(first as i64 * v[1], &[v[0], v[1], v[2]]);
        let call = if height * width == 1 && plane == 4 {
            // Planes of one pixel: the channels lie side by side.
            adjacent_channels(direction, planar_arg, blocked_arg, lanes, low)
        } else {
            let next = if height > 1 { p[2] } else { 8 * plane };
            row(direction, planar_arg, blocked_arg, Row { plane, width, lanes, next }, low)
        };
        nests.push(Nest::new(vec![leads, blocks, height], vec![call]));
    }
    Ok(vec![nests])
}

#[derive(Clone, Copy, PartialEq)]
enum Direction {
    ToBlocked,
    ToPlanar,
}

/// Up to 8 adjacent f32 to a block or back.
fn adjacent_channels(
    direction: Direction,
    planar: CallArg,
    blocked: CallArg,
    lanes: usize,
    low: &mut Lowering,
) -> Call {
    let mut c = CallBuilder::new(format!("convert_channels{lanes}"));
    let (planar, blocked) = (c.ptr(planar), c.ptr(blocked));
    match direction {
        Direction::ToBlocked => {
            let block = c.b.load(planar.at(0), lanes);
            c.b.store(blocked.at(0), block, LANES);
        }
        Direction::ToPlanar => {
            let block = c.b.load(blocked.at(0), LANES);
            c.b.store(planar.at(0), block, lanes);
        }
    }
    c.finish(Spills::Allowed, low)
}

/// A row of a block: its length, its real channels, the bytes between these in the planar buffer, and the bytes to
/// the row that comes next.
struct Row {
    plane: i64,
    width: u64,
    lanes: usize,
    next: i64,
}

fn row(direction: Direction, planar: CallArg, blocked: CallArg, row: Row, low: &mut Lowering) -> Call {
    let name = match direction {
        Direction::ToBlocked => "planar_to_blocked",
        Direction::ToPlanar => "blocked_to_planar",
    };
    let tail = (row.width % LANES as u64) as usize;
    let mut c = CallBuilder::new(format!("{name}_c{}_t{tail}", row.lanes));
    let (planar, blocked) = (c.ptr(planar), c.ptr(blocked));
    let plane = c.int(row.plane);
    let tiles = row.width / LANES as u64;
    let count = c.int(tiles as i64);
    // The row of each channel in turn, from `planar`.
    let (channel, ahead) = (c.b.ptr(), c.b.ptr());
    let next = c.int(row.next);
    // Eight planes are more streams than a processor follows by itself: the next row's lines are asked for, also those
    // that will be written.
    let each_channel = |b: &mut KernelBuilder, visit: &mut dyn FnMut(&mut KernelBuilder, Ptr, usize)| {
        b.set_ptr(channel, planar, Offset::Bytes(0));
        for lane in 0..row.lanes {
            if lane > 0 {
                b.advance_int(channel, plane);
            }
            visit(b, channel, lane);
            b.set_ptr(ahead, channel, Offset::Int(next));
            b.inst(Inst::Prefetch { addr: ahead.at(0) });
        }
    };
    let tile = |b: &mut KernelBuilder, pixels: usize| {
        let regs: [Vreg; LANES] = std::array::from_fn(|_| b.vreg());
        match direction {
            Direction::ToBlocked => {
                each_channel(b, &mut |b, channel, lane| b.load_to(regs[lane], channel.at(0), pixels));
                for dst in &regs[row.lanes..] {
                    b.inst(Inst::Splat { dst: *dst, bits: 0 });
                }
                b.inst(Inst::Transpose { regs });
                for (pixel, reg) in regs.iter().enumerate().take(pixels) {
                    b.store(blocked.at(pixel as i32 * VECTOR_BYTES as i32), *reg, LANES);
                }
            }
            Direction::ToPlanar => {
                for (pixel, dst) in regs.iter().enumerate() {
                    if pixel < pixels {
                        b.load_to(*dst, blocked.at(pixel as i32 * VECTOR_BYTES as i32), LANES);
                    } else {
                        b.inst(Inst::Splat { dst: *dst, bits: 0 });
                    }
                }
                b.inst(Inst::Transpose { regs });
                each_channel(b, &mut |b, channel, lane| b.store(channel.at(0), regs[lane], pixels));
            }
        }
    };
    if tiles > 0 {
        c.b.repeat(Count::Int(count), |b| {
            tile(b, LANES);
            b.advance(planar, VECTOR_BYTES as i32);
            b.advance(blocked, (LANES as i64 * VECTOR_BYTES) as i32);
        });
    }
    if tail > 0 {
        tile(&mut c.b, tail);
    }
    c.finish(Spills::Allowed, low)
}
