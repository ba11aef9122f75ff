//! The layers: settings to an operation and a shape, one file for each kind.

mod activation;
mod conv;
mod dense;
mod explain;
mod matrix;
mod movement;
mod norm;
mod own_norm;
mod pool;
mod reduce;
mod resize;
mod shuffle;
mod sides;
mod training;
mod transposed;
mod window;

use super::scope::Checker;
use super::settings::Settings;
use super::table::{Layer, LayerDef};
use super::thing::{Dim, Id, Shape};
use crate::diag::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::ast::Call;

/// What a layer is applied to, and how.
pub(super) struct Use<'s> {
    pub def: &'static LayerDef,
    pub settings: &'s Settings,
    pub x: Id,
    /// The name in the scope, which its weights have too.
    pub name: Option<&'s str>,
    /// The layer with its settings.
    pub span: Span,
}

impl<'a> Checker<'a> {
    /// Applies a layer.
    pub fn layer(
        &mut self,
        def: &'static LayerDef,
        call: Option<&'a Call>,
        span: Span,
        callee: Span,
        x: Id,
        name: Option<&str>,
    ) -> Id {
        let settings = self.settings(def.name, def.args, def.positional, call, 0, callee);
        let at = Use { def, settings: &settings, x, name, span };
        match def.layer {
            Layer::Conv => self.conv(&at),
            Layer::Filter => self.filter(&at),
            Layer::ConvTranspose => self.conv_transpose(&at),
            Layer::MaxPool | Layer::AvgPool | Layer::LpPool => self.pool(&at),
            Layer::GlobalAvgPool | Layer::GlobalMaxPool => self.global_pool(&at),
            Layer::GlobalLpPool => self.global_lppool(&at),
            Layer::Linear => self.linear(&at),
            Layer::Flatten => self.flatten(&at),
            Layer::BatchNorm => self.batchnorm(&at),
            Layer::Normalize => self.normalize(&at),
            Layer::Prelu => self.prelu(&at),
            Layer::InstanceNorm | Layer::GroupNorm => self.group_norm(&at),
            Layer::AxesNorm => self.layer_norm(&at),
            Layer::Lrn => self.lrn(&at),
            Layer::Softmax | Layer::LogSoftmax => self.softmax(&at),
            Layer::Resize => self.resize(&at),
            Layer::Upsample => self.upsample(&at),
            Layer::PixelShuffle => self.pixel_shuffle(&at),
            Layer::Pad => self.pad(&at),
            Layer::Crop => self.crop(&at),
            Layer::Plain(_)
            | Layer::LeakyRelu
            | Layer::Elu
            | Layer::Celu
            | Layer::Gelu
            | Layer::Clamp
            | Layer::Selu
            | Layer::HardSigmoid
            | Layer::ThresholdedRelu => self.activation(def.layer, &settings, x, span),
            Layer::Reshape => self.reshape(&at),
            Layer::Permute => self.permute(&at),
            Layer::Slice => self.slice(&at),
            Layer::Reduce(what) => self.reduce(&at, what),
            Layer::DepthToSpace => self.depth_to_space(&at),
            Layer::SpaceToDepth => self.space_to_depth(&at),
        }
    }

    /// The last three axes `[C, H, W]` of what a layer is applied to; reports where there are fewer.
    fn picture(&mut self, at: &Use<'_>) -> Option<(Shape, [Dim; 3])> {
        let shape = self.shape(at.x)?;
        if let Some(chw) = shape.chw() {
            return Some((shape, chw));
        }
        let text = format!("`{}` works on [C, H, W], and it gets {shape}", at.def.name);
        let diagnostic = Diagnostic::error(Code::WrongRank, at.settings.span, text);
        let diagnostic = self.with_source(diagnostic, at.x);
        let diagnostic = match shape.dims.len() {
            2 => diagnostic.help("one channel is an axis too: `input x [1, H, W]`"),
            _ => diagnostic.help("a flat value goes to `linear`"),
        };
        self.report(diagnostic);
        None
    }

    /// Holds `in=` against what the layer gets.
    fn check_in(&mut self, at: &Use<'_>, channels: Dim, what: &str) -> bool {
        let (true, Some(claimed), Some(have)) =
            (at.settings.given("in"), at.settings.whole("in", 1u64), channels)
        else {
            return true;
        };
        if claimed == have {
            return true;
        }
        let text = format!("this layer gets {have} {what}, not {claimed}");
        let diagnostic = Diagnostic::error(Code::WrongChannels, at.settings.span("in"), text);
        let diagnostic = self.with_source(diagnostic, at.x);
        self.report(diagnostic.help(format!("`in={have}`, or leave it out: it is inferred")));
        false
    }

    /// Reports a setting that must be given, the table not saying so because another may replace it.
    fn missing(&mut self, at: &Use<'_>, setting: &str, why: &str, help: &str) {
        if at.settings.misnamed() {
            return;
        }
        let text = format!("`{}` needs `{setting}`{why}", at.def.name);
        self.report(Diagnostic::error(Code::MissingSetting, at.settings.span, text).help(help));
    }

    /// Reports two settings of which only one may be given.
    fn conflict(&mut self, at: &Use<'_>, one: &str, other: &str, why: &str) {
        let text = format!("`{one}` and `{other}` cannot both be given");
        let diagnostic = Diagnostic::error(Code::Conflict, at.settings.span(other), text).note(why);
        self.report(diagnostic.also(at.settings.span(one), format!("`{one}` is given here")));
    }
}
