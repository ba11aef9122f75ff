//! Pools.

use super::ExportError;
use super::contraction::window_of;
use super::movement::padded;
use super::writer::{Writer, int};
use crate::graph::{Node, PadMode, Pads, Pool, PoolKind, Value};

/// A pool. Sizes that were rounded up are written as more padding at the end, not as `ceil_mode`, whose
/// rules differ among programs: for maxima and for means that do not count padding it is the same.
pub(super) fn pool(
    writer: &mut Writer<'_>,
    value: Value,
    node: &Node,
    pool: &Pool,
) -> Result<(), ExportError> {
    let window = &pool.window;
    let (Some([_, h, w]), Some([_, oh, ow])) = (writer.ty(node.args[0]).chw(), node.ty.chw()) else {
        return Err(ExportError::Bug("a pool on a value without rows and columns"));
    };
    let more = |axis: usize, n: u64, out: u64| {
        let reach = (out - 1) * window.stride[axis] + window.effective(axis);
        reach.saturating_sub(n + window.pad.before(axis) + window.pad.after(axis))
    };
    let (more_h, more_w) = (more(0, h, oh), more(1, w, ow));
    let mut x = writer.spatial(node.args[0])?;
    let mut pad = window.pad;
    let (op, setting) = match pool.kind {
        PoolKind::Max => ("MaxPool", None),
        PoolKind::Average { count_include_pad: false } => ("AveragePool", Some(int("count_include_pad", 0))),
        PoolKind::Average { count_include_pad: true } if more_h + more_w == 0 => {
            ("AveragePool", Some(int("count_include_pad", 1)))
        }
        PoolKind::Average { count_include_pad: true } => {
            // The declared padding counts, the rest does not: the declared one becomes elements.
            let sides: [&[u64]; 2] = [&[0, 0, pad.top, pad.left], &[0, 0, pad.bottom, pad.right]];
            x = padded(writer, x, sides, PadMode::Constant(0.0), &node.name);
            pad = Pads::default();
            ("AveragePool", Some(int("count_include_pad", 0)))
        }
        PoolKind::Lp { p } => ("LpPool", Some(int("p", i64::from(p)))),
    };
    pad.bottom += more_h;
    pad.right += more_w;
    let mut attributes = window_of(window, pad);
    attributes.extend(setting);
    writer.make_spatial(op, vec![x], value, node, attributes);
    Ok(())
}
