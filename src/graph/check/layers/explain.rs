//! Where a shape comes from, and which padding would have given another.

use super::super::scope::Checker;
use super::super::thing::{Dim, Id};
use crate::diag::Diagnostic;
use crate::graph::Op;
use crate::graph::shape::infer::along;
use crate::graph::shape::{Axis, pad_that_gives};

impl Checker<'_> {
    /// Adds the formula of the window that gave a value its sides, and the padding that would have
    /// made them as `wanted`.
    pub fn explain_shape(&self, mut diagnostic: Diagnostic, id: Id, wanted: &[Dim]) -> Diagnostic {
        let Some(have) = self.drafts.shape(id) else { return diagnostic };
        let (Some([_, h, w]), [.., want_h, want_w]) = (have.chw(), wanted) else { return diagnostic };
        if have.dims.len() != wanted.len() || (differs(h, *want_h), differs(w, *want_w)) == (false, false) {
            return diagnostic;
        }
        let Some((window_id, window, ceil)) = self.window_behind(id) else { return diagnostic };
        let Some(node) = self.drafts.nodes.get(window_id.index()) else { return diagnostic };
        let input = node.args.first().and_then(|&x| self.drafts.shape(x)).and_then(|s| s.chw());
        let Some([_, Some(in_h), Some(in_w)]) = input else { return diagnostic };
        let sides = Axis::BOTH.map(|axis| along(&window, axis, [in_h, in_w]));
        for side in sides {
            diagnostic = diagnostic.note(side.formula(ceil));
        }
        let pads = [(sides[0], *want_h), (sides[1], *want_w)].map(|(side, want)| match want {
            Some(want) => pad_that_gives(side, want),
            None => Some(side.before.max(side.after)),
        });
        let (Some(want_h), Some(want_w)) = (want_h.or(h), want_w.or(w)) else { return diagnostic };
        let size = format!("{want_h}×{want_w}");
        match pads {
            [Some(a), Some(b)] if a == b => diagnostic.help(format!("`pad={a}` would give {size}")),
            [Some(a), Some(b)] => diagnostic.help(format!("`pad=({a}, {b})` would give {size}")),
            _ => diagnostic,
        }
    }

    /// The last window before a value, over layers that leave the sides as they are.
    fn window_behind(&self, id: Id) -> Option<(Id, crate::graph::Window, bool)> {
        let mut at = id;
        // A chain is as long as the draft at the most.
        for _ in 0..self.drafts.nodes.len() {
            let node = self.drafts.nodes.get(at.index())?;
            match node.op.as_ref()? {
                Op::Conv(conv) => return Some((at, conv.window, false)),
                Op::Filter(window, _) => return Some((at, *window, false)),
                Op::Pool(pool) => return Some((at, pool.window, self.rounded_up(at, &pool.window))),
                Op::BatchNorm { .. } | Op::Unary(_) | Op::Prelu | Op::Softmax { .. } | Op::Binary(_) => {
                    let sides = |i: Id| self.drafts.shape(i).and_then(|s| s.chw()).map(|[_, h, w]| (h, w));
                    let here = sides(at);
                    at = *node.args.iter().find(|&&arg| sides(arg) == here)?;
                }
                _ => return None,
            }
        }
        None
    }

    fn rounded_up(&self, id: Id, window: &crate::graph::Window) -> bool {
        let Some(node) = self.drafts.nodes.get(id.index()) else { return false };
        let sides = |i: Id| self.drafts.shape(i).and_then(|s| s.chw());
        let (Some(out), Some([_, Some(h), Some(w)])) = (sides(id), node.args.first().and_then(|&x| sides(x)))
        else {
            return false;
        };
        Axis::BOTH.iter().any(|&axis| {
            let side = along(window, axis, [h, w]);
            side.output().ok() != out[1 + axis.index()]
        })
    }
}

fn differs(have: Dim, want: Dim) -> bool {
    matches!((have, want), (Some(a), Some(b)) if a != b)
}
