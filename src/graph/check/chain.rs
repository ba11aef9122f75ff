//! Chains of layers: `a |> layer |> layer`, and statements that are one layer.

use super::keys;
use super::scope::{Checker, Current};
use super::table;
use super::thing::{Id, Thing};
use crate::diag::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::ast::{Arg, Call, Expr, ExprKind};

impl<'a> Checker<'a> {
    /// The value of a statement or of a pipe.
    ///
    /// A named chain of several layers with weights numbers all its layers, as nn.Sequential does:
    /// `downsample.0`, `downsample.1`. With one such layer the name is its own.
    pub fn chain(&mut self, expr: &'a Expr, name: Option<&str>) -> Id {
        let (start, rest): (&Expr, &[Expr]) = match &expr.kind {
            ExprKind::Pipe(start, rest) => (start, rest),
            _ => (expr, &[]),
        };
        let mut layers: Vec<&'a Expr> = Vec::new();
        let mut value = if self.is_layer(start) {
            layers.push(start);
            self.current(start.span)
        } else {
            self.value(start)
        };
        layers.extend(rest);
        let weighted = layers.iter().filter(|layer| self.is_weighted(layer)).count();
        let last = layers.len().saturating_sub(1);
        for (i, layer) in layers.into_iter().enumerate() {
            let own = match name {
                Some(name) if weighted > 1 => Some(format!("{name}.{i}")),
                Some(name) if self.is_weighted(layer) || (weighted == 0 && i == last) => {
                    Some(name.to_owned())
                }
                _ => None,
            };
            if self.budget.stopped {
                return value;
            }
            value = self.stage(layer, value, own.as_deref());
        }
        value
    }

    /// The current value; reports where there is none.
    pub fn current(&mut self, span: Span) -> Id {
        match self.scope.it {
            Current::Is(id) => id,
            Current::None => {
                if !self.scope.broken {
                    let text = "there is no current value yet: the model has several inputs";
                    let names = self.scope.names.iter().filter(|(_, b)| matches!(b.thing, Thing::Value(_)));
                    let names: Vec<String> =
                        names.map(|(name, _)| format!("`{name} |> …`")).take(3).collect();
                    let diagnostic = Diagnostic::error(Code::NoCurrentValue, span, text);
                    self.report(diagnostic.help(format!("start from one of them: {}", names.join(" or "))));
                }
                let unknown = self.unknown(Vec::new(), span);
                self.scope.it = Current::Is(unknown);
                unknown
            }
        }
    }

    /// Whether a statement that starts with this applies a layer or block to the current value.
    fn is_layer(&mut self, expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::Name(name) => {
                let Some(text) = name.as_plain() else { return false };
                if !is_callable(self, text) {
                    return false;
                }
                let Some(first) = self.scope.names.get(text).map(|b| b.span) else { return true };
                let bare = keys::bare_layer(text)
                    || self
                        .blocks
                        .get(text)
                        .is_some_and(|b| b.def.params.iter().all(|p| p.default.is_some()));
                if bare {
                    let text = format!("`{text}` is both a layer and the name of a value");
                    let diagnostic = Diagnostic::error(Code::AmbiguousName, expr.span, text)
                        .also(first, "the value is named here")
                        .help("with parentheses, `()`, it is the layer")
                        .help("another name for the value makes both clear");
                    self.report(diagnostic);
                }
                false
            }
            ExprKind::Call(call) => {
                let name = call.callee.text.as_str();
                match table::layer(name) {
                    Some(layer) => {
                        !(layer.elementwise() && self.operand_of(call, layer.positional).is_some())
                    }
                    None => self.blocks.contains_key(name),
                }
            }
            _ => false,
        }
    }

    /// The operand of an elementwise layer that is called in an expression: its first argument, if
    /// that has no name and is not just a number for a setting.
    pub fn operand_of<'c>(&self, call: &'c Call, positional: usize) -> Option<&'c Arg> {
        let first = call.args.first().filter(|arg| arg.name.is_none())?;
        (positional == 0 || self.mentions_value(&first.value)).then_some(first)
    }

    /// Whether an expression has a value in it, rather than numbers alone. A name that nothing has
    /// counts as one.
    fn mentions_value(&self, expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::Number(_) | ExprKind::Str(_) | ExprKind::List(_) | ExprKind::Tuple(_) => false,
            ExprKind::Name(name) => match name.as_plain().map(|text| self.scope.names.get(text)) {
                Some(Some(binding)) => matches!(binding.thing, Thing::Value(_)),
                Some(None) | None => true,
            },
            ExprKind::Paren(inner) | ExprKind::Neg(inner) => self.mentions_value(inner),
            ExprKind::Binary(_, a, b) => self.mentions_value(a) || self.mentions_value(b),
            ExprKind::Call(call) => call.args.iter().any(|arg| self.mentions_value(&arg.value)),
            ExprKind::Pipe(..) => true,
        }
    }

    /// Whether a layer has weights, or a block has layers that have.
    fn is_weighted(&self, expr: &Expr) -> bool {
        let (name, args): (&str, &[Arg]) = match &expr.kind {
            ExprKind::Name(name) => (name.as_plain().unwrap_or(""), &[]),
            ExprKind::Call(call) => (&call.callee.text, &call.args),
            _ => return false,
        };
        match table::layer(name) {
            Some(layer) => layer.weighted() && !has_taps(args),
            None => self.blocks.get(name).is_some_and(|b| b.weighted),
        }
    }

    /// Applies one layer or block.
    fn stage(&mut self, expr: &'a Expr, x: Id, name: Option<&str>) -> Id {
        let (callee, span, call) = match &expr.kind {
            ExprKind::Name(n) => match n.as_plain() {
                Some(text) => (text, n.span, None),
                None => return self.not_a_layer(expr, x, "a name with `{…}` is a value's"),
            },
            ExprKind::Call(call) => (call.callee.text.as_str(), call.callee.span, Some(call)),
            _ => return self.not_a_layer(expr, x, "it is an expression"),
        };
        if !self.tick(expr.span) {
            return self.unknown(vec![x], expr.span);
        }
        if let Some(layer) = table::layer(callee) {
            if let Some(arg) = call.and_then(|c| c.args.first()).filter(|a| a.name.is_none())
                && layer.elementwise()
                && self.mentions_value(&arg.value)
            {
                return self.not_a_layer(expr, x, "its value comes from the left, and it has one of its own");
            }
            return self.layer(layer, call, expr.span, span, x, name);
        }
        if self.blocks.contains_key(callee) {
            return self.inline(callee, call, expr.span, x, name);
        }
        if let Some(binding) = self.scope.names.get(callee) {
            let what = format!("it is {}", binding.thing.describe());
            return self.not_a_layer(expr, x, &what);
        }
        if self.kernels.contains_key(callee) || table::function(callee).is_some_and(|f| f.makes_taps()) {
            let why = format!("it is a kernel: `filter({callee})` applies it");
            return self.not_a_layer(expr, x, &why);
        }
        if matches!(callee, "transpose" | "flip") {
            let why = "it turns kernels: `permute([0, 2, 1])` and `slice(axis=2, step=-1)` turn values";
            return self.not_a_layer(expr, x, why);
        }
        if table::function(callee).is_some() {
            let why = format!("it is a function: write `{callee}(…)` with the value in it");
            return self.not_a_layer(expr, x, &why);
        }
        self.unknown_callee(callee, span);
        self.unknown(vec![x], expr.span)
    }

    fn not_a_layer(&mut self, expr: &Expr, x: Id, why: &str) -> Id {
        let diagnostic = Diagnostic::error(Code::ValueAsLayer, expr.span, "a layer or block must stand here");
        self.report(
            diagnostic.label(why).note("`|>` applies the layer on its right to the value on its left"),
        );
        self.unknown(vec![x], expr.span)
    }

    /// Reports a call of something that does not exist.
    pub fn unknown_callee(&mut self, name: &str, span: Span) {
        if self.broken {
            return;
        }
        let text = format!("there is no layer, block or function `{name}`");
        let diagnostic = Diagnostic::error(Code::UnknownLayer, span, text);
        let other = OTHER_LAYERS.iter().find(|(theirs, _)| theirs.eq_ignore_ascii_case(name));
        let diagnostic = match other {
            Some((_, ours)) => diagnostic.help(format!("it is called `{ours}` here")),
            None => {
                let layers = table::LAYERS.iter().map(|l| l.name);
                let functions = table::FUNCTIONS.iter().map(|f| f.name);
                Self::suggest(diagnostic, name, layers.chain(functions).chain(self.blocks.keys().copied()))
            }
        };
        self.report(diagnostic);
    }
}

/// Whether a name is that of a layer or block.
pub(super) fn is_callable(checker: &Checker<'_>, name: &str) -> bool {
    table::layer(name).is_some() || checker.blocks.contains_key(name)
}

/// Whether a layer's taps are in the text, so that it has no weights.
pub(super) fn has_taps(args: &[Arg]) -> bool {
    args.iter().any(|arg| arg.name.as_ref().is_some_and(|name| name.text == "weight"))
}

/// What other programs call a layer.
const OTHER_LAYERS: &[(&str, &str)] = &[
    ("conv2d", "conv"),
    ("convolution", "conv"),
    ("convtranspose", "conv_transpose"),
    ("convtranspose2d", "conv_transpose"),
    ("conv_transpose2d", "conv_transpose"),
    ("deconv", "conv_transpose"),
    ("max_pool", "maxpool"),
    ("maxpool2d", "maxpool"),
    ("max_pool2d", "maxpool"),
    ("avg_pool", "avgpool"),
    ("avgpool2d", "avgpool"),
    ("avg_pool2d", "avgpool"),
    ("globalaveragepool", "global_avgpool"),
    ("global_average_pool", "global_avgpool"),
    ("adaptive_avg_pool2d", "global_avgpool"),
    ("adaptiveavgpool2d", "global_avgpool"),
    ("dense", "linear"),
    ("fc", "linear"),
    ("fully_connected", "linear"),
    ("bn", "batchnorm"),
    ("batch_norm", "batchnorm"),
    ("batchnorm2d", "batchnorm"),
    ("leakyrelu", "leaky_relu"),
    ("lrelu", "leaky_relu"),
    ("swish", "silu"),
    ("hard_swish", "hardswish"),
    ("hard_sigmoid", "hardsigmoid"),
    ("interpolate", "upsample"),
    ("resize", "upsample"),
    ("pixelshuffle", "pixel_shuffle"),
    ("depthtospace", "depth_to_space"),
    ("spacetodepth", "space_to_depth"),
    ("pixel_unshuffle", "space_to_depth"),
    ("pixelunshuffle", "space_to_depth"),
    ("view", "reshape"),
    ("squeeze", "reshape"),
    ("unsqueeze", "reshape"),
    ("reducesum", "reduce_sum"),
    ("reducemean", "reduce_mean"),
    ("reducemax", "reduce_max"),
    ("reducemin", "reduce_min"),
    ("amax", "reduce_max"),
    ("amin", "reduce_min"),
    ("mean", "reduce_mean"),
    ("sum", "reduce_sum"),
    ("mm", "matmul"),
    ("bmm", "matmul"),
    ("clip", "clamp"),
    ("gaussian_blur", "gaussian"),
    ("cat", "concat"),
    ("concatenate", "concat"),
    ("sobel", "sobel_x"),
];
