//! Elementwise layers without weights.

use super::super::scope::Checker;
use super::super::settings::Settings;
use super::super::table::{Layer, SELU};
use super::super::thing::Id;
use crate::diag::{Code, Diagnostic};
use crate::graph::{Op, UnaryOp};
use crate::source::Span;

impl Checker<'_> {
    /// Applies an elementwise layer, as a layer or in an expression.
    pub fn activation(&mut self, layer: Layer, settings: &Settings, x: Id, span: Span) -> Id {
        let op = match layer {
            Layer::Plain(op) => Some(op),
            Layer::LeakyRelu => {
                settings.number("slope", 0.01).map(|v| UnaryOp::LeakyRelu { slope: v as f32 })
            }
            Layer::Elu => settings.number("alpha", 1.0).map(|v| UnaryOp::Elu { alpha: v as f32 }),
            Layer::Celu => self.celu(settings),
            Layer::Gelu => settings
                .word("approximate", "none")
                .map(|word| if word == "tanh" { UnaryOp::GeluTanh } else { UnaryOp::Gelu }),
            Layer::Clamp => self.clamp(settings),
            Layer::Selu => both(settings, ("alpha", SELU[0]), ("gamma", SELU[1]))
                .map(|[alpha, gamma]| UnaryOp::Selu { alpha, gamma }),
            Layer::HardSigmoid => both(settings, ("alpha", 1.0 / 6.0), ("beta", 0.5))
                .map(|[alpha, beta]| UnaryOp::HardSigmoid { alpha, beta }),
            Layer::ThresholdedRelu => {
                settings.number("alpha", 1.0).map(|v| UnaryOp::ThresholdedRelu { alpha: v as f32 })
            }
            _ => None,
        };
        let Some(op) = op else { return self.unknown(vec![x], span) };
        let op = Op::Unary(op);
        let (stem, shape) = (crate::graph::print::op_name(&op), self.shape(x));
        self.emit(Some(op), vec![x], shape, stem, span)
    }

    fn celu(&mut self, settings: &Settings) -> Option<UnaryOp> {
        let alpha = settings.number("alpha", 1.0)? as f32;
        if alpha == 0.0 {
            self.error(
                Code::DivisionByZero,
                settings.span("alpha"),
                "`alpha` is divided by and must not be 0",
            );
            return None;
        }
        Some(UnaryOp::Celu { alpha })
    }

    fn clamp(&mut self, settings: &Settings) -> Option<UnaryOp> {
        if !settings.given("min") && !settings.given("max") {
            if !settings.misnamed() {
                let text = "`clamp` needs `min`, `max` or both";
                let diagnostic = Diagnostic::error(Code::MissingSetting, settings.span, text);
                self.report(diagnostic.help("`clamp(0, 1)` or `clamp(min=0)`"));
            }
            return None;
        }
        let lo = settings.number("min", f64::NEG_INFINITY)?;
        let hi = settings.number("max", f64::INFINITY)?;
        if lo > hi {
            let text = format!("`max` is {hi}, below `min`, which is {lo}");
            self.error(Code::OutOfRange, settings.span("max"), text);
            return None;
        }
        Some(UnaryOp::Clamp { lo: lo as f32, hi: hi as f32 })
    }
}

/// Two settings by their names and defaults.
fn both(settings: &Settings, one: (&str, f64), other: (&str, f64)) -> Option<[f32; 2]> {
    Some([settings.number(one.0, one.1)? as f32, settings.number(other.0, other.1)? as f32])
}
