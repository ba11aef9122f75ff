//! Lowers conversions between planar buffers and channel blocks: 16 or 8 pixels of 8 channels at a time are
//! transposed in registers. Halos on either side are skipped.

use super::build::KernelBuilder;
use super::call::CallBuilder;
use super::ir::{
    Addr, Cache, Count, Inst, LANES, Offset, Ptr, Spills, VECTOR_BYTES, Vreg, WIDE_LANES, Wide, WideInst,
};
use super::lower::{LowerError, Lowering};
use super::register::Register;
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
    let wide = if low.target().has_wide() { row.width / WIDE_LANES as u64 } else { 0 };
    let rest = row.width - wide * WIDE_LANES as u64;
    let (tiles, tail) = (rest / LANES as u64, (rest % LANES as u64) as usize);
    let most = if wide > 0 { WIDE_LANES } else { LANES };
    let mut c = CallBuilder::new(format!("{name}_c{}_by{most}_t{tail}", row.lanes));
    let (planar, blocked) = (c.ptr(planar), c.ptr(blocked));
    let plane = c.int(row.plane);
    let counts = [wide, tiles].map(|n| (n > 0).then(|| c.int(n as i64)));
    let mut planes = vec![planar];
    for lane in 1..row.lanes {
        let next = c.b.ptr();
        c.b.set_ptr(next, planes[lane - 1], Offset::Int(plane));
        planes.push(next);
    }
    let tile = Tile { direction, planes, blocked, ahead: i32::try_from(row.next).ok() };
    if let Some(count) = counts[0] {
        c.b.repeat(Count::Int(count), |b| {
            tile.wide(b);
            tile.advance(b, WIDE_LANES);
        });
    }
    if let Some(count) = counts[1] {
        c.b.repeat(Count::Int(count), |b| {
            tile.vectors(b, LANES);
            tile.advance(b, LANES);
        });
    }
    if tail > 0 {
        tile.vectors(&mut c.b, tail);
    }
    c.finish(Spills::Allowed, low)
}

/// Some pixels of up to 8 channels.
struct Tile {
    direction: Direction,
    /// The first pixel in the plane of each channel.
    planes: Vec<Ptr>,
    blocked: Ptr,
    /// Bytes to the row that comes next. Eight planes are more streams than a processor follows by itself: its lines are
    /// asked for, also those that will be written.
    ahead: Option<i32>,
}

impl Tile {
    /// 16 pixels.
    fn wide(&self, b: &mut KernelBuilder) {
        let regs: [Wide; LANES] = std::array::from_fn(|_| b.wide());
        let block = |register: usize| self.blocked.at(register as i32 * Wide::BYTES);
        match self.direction {
            Direction::ToBlocked => {
                self.each_plane(b, |b, lane, addr| regs[lane].load(b, addr));
                Wide::start(b, &regs[self.planes.len()..], None);
                b.wide_inst(WideInst::Transpose { regs, back: false });
                regs.iter().enumerate().for_each(|(i, reg)| reg.store(b, block(i)));
            }
            Direction::ToPlanar => {
                regs.iter().enumerate().for_each(|(i, reg)| reg.load(b, block(i)));
                b.wide_inst(WideInst::Transpose { regs, back: true });
                self.each_plane(b, |b, lane, addr| regs[lane].store(b, addr));
            }
        }
    }

    /// Up to 8 pixels.
    fn vectors(&self, b: &mut KernelBuilder, pixels: usize) {
        let regs: [Vreg; LANES] = std::array::from_fn(|_| b.vreg());
        let block = |pixel: usize| self.blocked.at(pixel as i32 * VECTOR_BYTES as i32);
        match self.direction {
            Direction::ToBlocked => {
                self.each_plane(b, |b, lane, addr| b.load_to(regs[lane], addr, pixels));
                Vreg::start(b, &regs[self.planes.len()..], None);
                b.inst(Inst::Transpose { regs });
                regs.iter().enumerate().take(pixels).for_each(|(i, reg)| reg.store(b, block(i)));
            }
            Direction::ToPlanar => {
                regs.iter().enumerate().take(pixels).for_each(|(i, reg)| reg.load(b, block(i)));
                Vreg::start(b, &regs[pixels..], None);
                b.inst(Inst::Transpose { regs });
                self.each_plane(b, |b, lane, addr| b.store(addr, regs[lane], pixels));
            }
        }
    }

    fn each_plane(&self, b: &mut KernelBuilder, visit: impl Fn(&mut KernelBuilder, usize, Addr)) {
        for (lane, plane) in self.planes.iter().enumerate() {
            visit(b, lane, plane.at(0));
            if let Some(ahead) = self.ahead {
                b.inst(Inst::Prefetch { addr: plane.at(ahead), cache: Cache::First });
            }
        }
    }

    fn advance(&self, b: &mut KernelBuilder, pixels: usize) {
        self.planes.iter().for_each(|&plane| b.advance(plane, 4 * pixels as i32));
        b.advance(self.blocked, (pixels as i64 * VECTOR_BYTES) as i32);
    }
}
