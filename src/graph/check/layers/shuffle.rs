//! Channels to pixels and back.

use super::super::scope::Checker;
use super::super::thing::{Dim, Id, Shape};
use super::Use;
use crate::graph::Op;
use crate::graph::shape::{self, Axis};

impl Checker<'_> {
    /// `depth_to_space(r, order=dcr)`
    pub(super) fn depth_to_space(&mut self, at: &Use<'_>) -> Id {
        let s = at.settings;
        let (factor, order) = (s.whole("factor", 1u64), s.word("order", "dcr"));
        let (Some(r), Some(order), Some((shape, [c, h, w]))) = (factor, order, self.picture(at)) else {
            return self.unknown(vec![at.x], at.span);
        };
        let channels = match c.map(|c| shape::pixel_shuffle(c, r)).transpose() {
            Ok(channels) => channels,
            Err(error) => return self.side_error(at, error),
        };
        let side = |n: Dim| n.map(|n| n.saturating_mul(r));
        let out = shape.with_chw([channels, side(h), side(w)]);
        let (Some(channels), Some(lead)) = (channels, lead(&shape)) else {
            return self.emit(None, vec![at.x], Some(out), at.def.name, at.span);
        };
        if r == 1 {
            return at.x;
        }
        let mut x = at.x;
        if order == "dcr" && channels > 1 {
            // Channels in the order of `crd`: [r², C] to [C, r²].
            let apart = [Some(r.saturating_mul(r)), Some(channels), h, w];
            x = self.reordered(at, x, lead, &apart, &[1, 0, 2, 3], shape.dims.clone());
        }
        self.emit(Some(Op::PixelShuffle { factor: r }), vec![x], Some(out), at.def.name, at.span)
    }

    /// `space_to_depth(r, order=dcr)`
    pub(super) fn space_to_depth(&mut self, at: &Use<'_>) -> Id {
        let s = at.settings;
        let (factor, order) = (s.whole("factor", 1u64), s.word("order", "dcr"));
        let (Some(r), Some(order), Some((shape, [c, h, w]))) = (factor, order, self.picture(at)) else {
            return self.unknown(vec![at.x], at.span);
        };
        let mut sides: [Dim; 2] = [None; 2];
        for axis in Axis::BOTH {
            match [h, w][axis.index()].map(|n| shape::blocks(axis, n, r)).transpose() {
                Ok(n) => sides[axis.index()] = n,
                Err(error) => return self.side_error(at, error),
            }
        }
        let channels = c.map(|c| c.saturating_mul(r).saturating_mul(r));
        let out = shape.with_chw([channels, sides[0], sides[1]]);
        if r == 1 {
            return at.x;
        }
        let Some(lead) = lead(&shape) else {
            return self.emit(None, vec![at.x], Some(out), at.def.name, at.span);
        };
        if !self.within_limits(&out, at.span) {
            return self.unknown(vec![at.x], at.span);
        }
        let apart = [c, sides[0], Some(r), sides[1], Some(r)];
        let perm = if order == "dcr" { [2, 4, 0, 1, 3] } else { [0, 2, 4, 1, 3] };
        self.reordered(at, at.x, lead, &apart, &perm, out.dims)
    }

    /// A value reshaped to `apart`, permuted, and reshaped to `out`; the axes before the last three go
    /// along as one.
    fn reordered(
        &mut self,
        at: &Use<'_>,
        x: Id,
        lead: Lead,
        apart: &[Dim],
        perm: &[usize],
        out: Vec<Dim>,
    ) -> Id {
        let (dims, perm) = match lead {
            Lead::None => (apart.to_vec(), perm.to_vec()),
            Lead::Axis(n) => (
                std::iter::once(Some(n)).chain(apart.iter().copied()).collect(),
                std::iter::once(0).chain(perm.iter().map(|axis| axis + 1)).collect(),
            ),
        };
        let apart = self.reshaped(at, x, dims);
        let permuted = self.permuted(at, apart, perm);
        self.reshaped(at, permuted, out)
    }
}

/// The axes before the last three.
#[derive(Clone, Copy)]
enum Lead {
    None,
    /// All of them as one.
    Axis(u64),
}

/// `None` while they wait for a size.
fn lead(shape: &Shape) -> Option<Lead> {
    let before = shape.dims.len().saturating_sub(3);
    let all = shape.dims.iter().take(before).try_fold(1u64, |n, dim| dim.map(|d| n.saturating_mul(d)))?;
    Some(if before == 0 { Lead::None } else { Lead::Axis(all) })
}
