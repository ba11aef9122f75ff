//! Lowers the transform of weights: `U = G g Gᵀ` into panels, one set for each position of a tile.

use super::transform::Transform;
use crate::kernels::call::CallBuilder;
use crate::kernels::ir::{Count, LANES, Spills, VECTOR_BYTES};
use crate::kernels::lower::{LowerError, Lowering, distance};
use crate::kernels::panels::{Part, parts};
use crate::kernels::step::{CallArg, Nest};
use crate::plan::BufferId;
use crate::plan::task::PackWinograd;

/// Bytes of one channel's 3×3 taps.
const TAPS_BYTES: i64 = 4 * 9;

/// One unit transforms the taps of 8 output channels for a block of input channels.
pub(in crate::kernels) fn lower(
    task: &PackWinograd,
    out: BufferId,
    low: &mut Lowering,
) -> Result<Vec<Vec<Nest>>, LowerError> {
    if task.vectors == 0 || task.in_channels == 0 || task.out_channels == 0 {
        return Err(LowerError::Plan("transformed weights of no channels"));
    }
    let panels = task.panels();
    let (w, out) = (low.view(task.w), low.view(out));
    let (w_out, w_in) = (task.in_channels as i64 * TAPS_BYTES, TAPS_BYTES);
    let at = |panel, block, lane| panels.offset(0, panel, block, 0, lane) as i64;
    let position = distance(panels.bytes() as i64)?;
    let inputs = task.tile.inputs() as usize;
    distance(panels.bytes() as i64 * i64::from(task.tile.positions()))?;
    let stride = distance(w_out)?;
    distance(w_out * LANES as i64)?;
    let mut nests = Vec::new();
    for Part { panel, panels: count, width, first, vectors, lanes, block, blocks, channels } in parts(&panels)
    {
        let mut c = CallBuilder::new(format!("pack_winograd{}_{lanes}", task.tile.outputs()));
        let read = (panel * panels.vectors + first) as i64 * LANES as i64 * w_out
            + (block * panels.block) as i64 * w_in;
        let row = width as i64 * VECTOR_BYTES;
        let src = c.ptr(CallArg::Ptr {
            base: w.base,
            offset: w.origin + read,
            strides: vec![
                panels.vectors as i64 * LANES as i64 * w_out,
                panels.block as i64 * w_in,
                LANES as i64 * w_out,
            ],
            tables: Vec::new(),
        });
        let dst = c.ptr(out.arg(
            at(panel, block, 0) + first as i64 * VECTOR_BYTES,
            &[at(1, 0, 0), at(panel, 1, 0) - at(panel, 0, 0), VECTOR_BYTES],
        ));
        let dst_step = c.int(row);
        let real = c.int(channels as i64);
        let padding = c.int((panels.block - channels) as i64);
        let transform = Transform::weights(&mut c.b, task.tile);
        c.b.repeat(Count::Int(real), |b| {
            let mut columns = Vec::new();
            for x in 0..3 {
                let taps: Vec<_> =
                    (0..3).map(|y| b.load_strided(src.at(4 * (3 * y + x)), stride, lanes as usize)).collect();
                columns.push(transform.apply(b, &taps));
            }
            for i in 0..inputs {
                let taps: Vec<_> = columns.iter().map(|column| column[i]).collect();
                for (j, value) in transform.apply(b, &taps).into_iter().enumerate() {
                    b.store(dst.at((i * inputs + j) as i32 * position), value, LANES);
                }
            }
            b.advance(src, TAPS_BYTES as i32);
            b.advance_int(dst, dst_step);
        });
        let zero = c.b.splat(0.0);
        c.b.repeat(Count::Int(padding), |b| {
            for p in 0..task.tile.positions() as i32 {
                b.store(dst.at(p * position), zero, LANES);
            }
            b.advance_int(dst, dst_step);
        });
        let call = c.finish(Spills::Allowed, low);
        nests.push(Nest::new(vec![count, blocks, vectors], vec![call]));
    }
    Ok(vec![nests])
}
