//! Pools.

use super::super::scope::Checker;
use super::super::table::Layer;
use super::super::thing::{Dim, Id};
use super::Use;
use super::window::{Asked, Placed};
use crate::diag::{Code, Diagnostic};
use crate::graph::{Border, Op, Pads, Pool, PoolKind, ReduceKind, Window};

/// Beyond it `x^p` leaves the range of f32 for nearly every x.
const MAX_EXPONENT: u32 = 64;

impl Checker<'_> {
    /// `maxpool`, `avgpool` and `lppool`
    pub(super) fn pool(&mut self, at: &Use<'_>) -> Id {
        let s = at.settings;
        let kernel = s.pair("kernel", [1, 1]);
        let stride = if s.given("stride") { s.pair("stride", [1, 1]) } else { kernel };
        let (dilation, ceil) = (s.pair("dilation", [1, 1]), s.flag("ceil_mode", false));
        let kind = match at.def.layer {
            Layer::MaxPool => Some(PoolKind::Max),
            Layer::LpPool => self.exponent(at).map(|p| PoolKind::Lp { p }),
            _ => s
                .flag("count_include_pad", true)
                .map(|count_include_pad| PoolKind::Average { count_include_pad }),
        };
        let padding = self.padding(at);
        let picture = self.picture(at);
        let (Some(kernel), Some(stride), Some(dilation), Some(ceil)) = (kernel, stride, dilation, ceil)
        else {
            return self.unknown(vec![at.x], at.span);
        };
        let (Some(kind), Some(padding), Some((shape, [c, h, w]))) = (kind, padding, picture) else {
            return self.unknown(vec![at.x], at.span);
        };
        let asked = Asked { kernel, stride, dilation, padding, border: Border::Zero, ceil };
        let Some(placed) = self.place(at, asked, [h, w]) else { return self.unknown(vec![at.x], at.span) };
        if kind != (PoolKind::Average { count_include_pad: true }) && !self.windows_see_input(at, &placed) {
            return self.unknown(vec![at.x], at.span);
        }
        let op = placed.window.map(|window| Op::Pool(Pool { kind, window }));
        let shape = shape.with_chw([c, placed.out[0], placed.out[1]]);
        self.emit(op, vec![at.x], Some(shape), at.def.name, at.span)
    }

    /// A maximum, or a mean that does not count padding, needs an element of the input in each window.
    fn windows_see_input(&mut self, at: &Use<'_>, placed: &Placed) -> bool {
        let pairs: [(_, Dim); 2] = [(placed.along[0], placed.out[0]), (placed.along[1], placed.out[1])];
        for (along, out) in pairs {
            let (Some(along), Some(out)) = (along, out) else { continue };
            let Some(o) = along.window_of_padding(out) else { continue };
            let (axis, unit) = (along.axis.name(), along.axis.unit());
            let about = if at.settings.given("pad_total") { "pad_total" } else { "pad" };
            let text = format!("window {o} along the {axis} sees only padding");
            let first = (o * along.stride) as i64 - along.before as i64;
            let diagnostic = Diagnostic::error(Code::EmptyWindow, at.settings.span(about), text)
                .note(format!(
                    "it covers {unit} {first} to {} of 0 to {}",
                    first + ((along.kernel - 1) * along.dilation) as i64,
                    along.n - 1
                ))
                .help(format!("pad by less than the kernel's {} {unit}", along.kernel));
            self.report(diagnostic);
            return false;
        }
        true
    }

    /// `p`; reports one that is too large.
    fn exponent(&mut self, at: &Use<'_>) -> Option<u32> {
        let p = at.settings.whole("p", 2u64)?;
        match u32::try_from(p).ok().filter(|&p| p <= MAX_EXPONENT) {
            Some(p) => Some(p),
            None => {
                let text = format!("`p` is at most {MAX_EXPONENT}, and this is {p}");
                self.error(Code::OutOfRange, at.settings.span("p"), text);
                None
            }
        }
    }

    /// `global_lppool`: one window that is the whole plane.
    pub(super) fn global_lppool(&mut self, at: &Use<'_>) -> Id {
        let (Some(p), Some((shape, [c, h, w]))) = (self.exponent(at), self.picture(at)) else {
            return self.unknown(vec![at.x], at.span);
        };
        let shape = shape.with_chw([c, Some(1), Some(1)]);
        let op = h.zip(w).map(|(h, w)| {
            let window = Window { kernel: [h, w], stride: [1, 1], dilation: [1, 1], pad: Pads::default() };
            Op::Pool(Pool { kind: PoolKind::Lp { p }, window })
        });
        self.emit(op, vec![at.x], Some(shape), at.def.name, at.span)
    }

    /// `global_avgpool` and `global_maxpool`
    pub(super) fn global_pool(&mut self, at: &Use<'_>) -> Id {
        let Some((shape, [c, _, _])) = self.picture(at) else { return self.unknown(vec![at.x], at.span) };
        let kind = if at.def.layer == Layer::GlobalMaxPool { ReduceKind::Max } else { ReduceKind::Mean };
        let rank = shape.dims.len();
        let op = Op::Reduce(kind, vec![rank - 2, rank - 1]);
        let shape = shape.with_chw([c, Some(1), Some(1)]);
        self.emit(Some(op), vec![at.x], Some(shape), at.def.name, at.span)
    }
}
