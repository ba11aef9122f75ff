//! Lowers the packing of a contraction's weights into panels; [`crate::plan::panels`] has the layout.

use super::call::CallBuilder;
use super::ir::{Count, LANES, Spills, VECTOR_BYTES};
use super::lower::{LowerError, Lowering, distance};
use super::step::{CallArg, Nest, TableArg};
use crate::plan::task::PackPanels;
use crate::plan::{BufferId, Panels};

#[cfg(test)]
mod tests;

/// One unit packs 8 output channels of one tap for a block of input channels. Of planar inputs, whose
/// blocks are single channels, it packs all channels.
pub(super) fn lower(
    task: &PackPanels,
    out: BufferId,
    low: &mut Lowering,
) -> Result<Vec<Vec<Nest>>, LowerError> {
    if task.groups == 0 || !task.out_channels.is_multiple_of(task.groups) || task.vectors == 0 {
        return Err(LowerError::Plan("panels of uneven groups"));
    }
    let panels = task.panels();
    let (w, out) = (low.view(task.w), low.view(out));
    let (outs, ins, w_taps) = (panels.out_channels as i64, panels.in_channels as i64, i64::from(task.w_taps));
    // Bytes in `w` from one output channel, input channel and group to the next.
    let (w_out, w_in) = if task.transposed { (w_taps, outs * w_taps) } else { (ins * w_taps, w_taps) };
    let (w_out, w_in, w_group) = (4 * w_out, 4 * w_in, 4 * outs * ins * w_taps);

    let at = |group, panel, block, tap, lane| panels.offset(group, panel, block, tap, lane) as i64;
    let vectors = panels.vectors;
    let taps = task.tap_index.len() as u64;
    let tap_offsets: Vec<i64> = task.tap_index.iter().map(|t| 4 * i64::from(*t)).collect();
    let mut nests = Vec::new();
    for Part { panel, panels: panel_count, width, first, vectors: count, lanes, block, blocks, channels } in
        parts(&panels)
    {
        let read =
            (panel * vectors + first) as i64 * LANES as i64 * w_out + (block * panels.block) as i64 * w_in;
        let write = at(0, panel, block, 0, 0) + first as i64 * VECTOR_BYTES;
        let mut c = CallBuilder::new(format!("pack_{lanes}"));
        let src = c.ptr(CallArg::Ptr {
            base: w.base,
            offset: w.origin + read,
            strides: vec![
                w_group,
                vectors as i64 * LANES as i64 * w_out,
                panels.block as i64 * w_in,
                LANES as i64 * w_out,
                0,
            ],
            tables: vec![TableArg { dim: 4, offsets: tap_offsets.clone() }],
        });
        let dst = c.ptr(out.arg(
            write,
            &[
                at(1, 0, 0, 0, 0),
                at(0, 1, 0, 0, 0),
                at(0, panel, 1, 0, 0) - at(0, panel, 0, 0, 0),
                VECTOR_BYTES,
                at(0, panel, 0, 1, 0) - at(0, panel, 0, 0, 0),
            ],
        ));
        let src_step = c.int(w_in);
        let row = width as i64 * VECTOR_BYTES;
        let dst_step = c.int(if panels.block == 1 { row * taps as i64 } else { row });
        let count_real = c.int(channels as i64);
        let count_padding = c.int(if panels.block == 1 { 0 } else { (panels.block - channels) as i64 });
        let stride = distance(w_out)?;
        distance(w_out * LANES as i64)?;
        c.b.repeat(Count::Int(count_real), |b| {
            let row = b.load_strided(src.at(0), stride, lanes as usize);
            b.store(dst.at(0), row, LANES);
            b.advance_int(src, src_step);
            b.advance_int(dst, dst_step);
        });
        let zero = c.b.splat(0.0);
        c.b.repeat(Count::Int(count_padding), |b| {
            b.store(dst.at(0), zero, LANES);
            b.advance_int(dst, dst_step);
        });
        let dims = vec![panels.groups, panel_count, blocks, count, taps];
        nests.push(Nest::new(dims, vec![c.finish(Spills::Allowed, low)]));
    }
    Ok(vec![nests])
}

/// Vectors of panels that are packed alike.
pub(super) struct Part {
    /// The first panel and how many.
    pub(super) panel: u64,
    pub(super) panels: u64,
    /// Vectors of these panels.
    pub(super) width: u64,
    /// The first of their vectors and how many.
    pub(super) first: u64,
    pub(super) vectors: u64,
    /// Real output channels of such a vector.
    pub(super) lanes: u64,
    /// The first block of input channels and how many; where blocks are single channels, one for all.
    pub(super) block: u64,
    pub(super) blocks: u64,
    /// Real input channels of such a block.
    pub(super) channels: u64,
}

/// All vectors of a group of panels, the last panel, its last vector and the last block by themselves.
pub(super) fn parts(panels: &Panels) -> Vec<Part> {
    // Which channel blocks have how many real channels: `(first block, blocks, channels)`.
    let blocks = if panels.block == 1 {
        vec![(0, 1, panels.in_channels)]
    } else {
        let full = panels.in_channels / panels.block;
        vec![(0, full, panels.block), (full, 1, panels.in_channels % panels.block)]
    };
    let (vectors, last) = (panels.vectors, panels.count() - 1);
    // Which panels have how many vectors, and which of these how many real lanes.
    let last_vectors = panels.vectors_of(last);
    let last_lanes = panels.out_channels - (panels.group_vectors() - 1) * LANES as u64;
    let mut parts = Vec::new();
    for (panel, panels, width, first, vectors, lanes) in [
        (0, last, vectors, 0, vectors, LANES as u64),
        (last, 1, last_vectors, 0, last_vectors - 1, LANES as u64),
        (last, 1, last_vectors, last_vectors - 1, 1, last_lanes),
    ] {
        for &(block, blocks, channels) in &blocks {
            if panels * vectors * blocks * channels > 0 {
                parts.push(Part { panel, panels, width, first, vectors, lanes, block, blocks, channels });
            }
        }
    }
    parts
}
