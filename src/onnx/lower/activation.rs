//! Functions of one value, element by element.

use super::super::call::{Call, Live, Value};
use super::super::draft::Setting;
use super::super::tensor::Constant;
use super::builder::{Builder, Lowered};
use super::conv::line_name;
use super::elementwise::{bounded, combine, scalar};
use super::settings::Settings;

/// Activations that have a layer of the same meaning.
pub fn activation(b: &mut Builder<'_>, call: &Call<'_>) -> Lowered<Live> {
    let x = b.live(call, 0)?;
    let none = Settings::default();
    let alpha = |default: f32| call.float("alpha", default);
    let (layer, settings) = match call.node.op.as_str() {
        "Relu" => ("relu", none),
        "Sigmoid" => ("sigmoid", none),
        "Tanh" => ("tanh", none),
        "Softplus" => ("softplus", none),
        "Softsign" => ("softsign", none),
        "Mish" => ("mish", none),
        "HardSwish" => ("hardswish", none),
        "Silu" => ("silu", none),
        "LeakyRelu" => ("leaky_relu", none.number_unless("slope", alpha(0.01)?, 0.01)),
        "Elu" => ("elu", none.number_unless("alpha", alpha(1.0)?, 1.0)),
        "Celu" if alpha(1.0)? == 0.0 => return Err(call.invalid("its alpha is 0").into()),
        "Celu" => ("celu", none.number_unless("alpha", alpha(1.0)?, 1.0)),
        "ThresholdedRelu" => ("thresholded_relu", none.number_unless("alpha", alpha(1.0)?, 1.0)),
        "Selu" => {
            const ALPHA: f32 = 1.673_263_2;
            const GAMMA: f32 = 1.050_701;
            let settings = none.number_unless("alpha", alpha(ALPHA)?, ALPHA);
            ("selu", settings.number_unless("gamma", call.float("gamma", GAMMA)?, GAMMA))
        }
        "HardSigmoid" => {
            let settings = none.number_unless("alpha", alpha(0.2)?, 1.0 / 6.0);
            ("hardsigmoid", settings.number_unless("beta", call.float("beta", 0.5)?, 0.5))
        }
        _ => match call.text("approximate", "none")? {
            "none" => ("gelu", none),
            "tanh" => ("gelu", none.with("approximate", Setting::Word("tanh"))),
            other => return Err(call.invalid(format!("its approximate is {other:?}")).into()),
        },
    };
    b.layer(call, &x, layer, settings, x.dims.clone())
}

/// Functions that have a function of the same meaning.
pub fn function(b: &mut Builder<'_>, call: &Call<'_>) -> Lowered<Live> {
    let x = b.live(call, 0)?;
    let name = match call.node.op.as_str() {
        "Erf" => "erf",
        "Exp" => "exp",
        "Log" => "log",
        "Sqrt" => "sqrt",
        _ => "abs",
    };
    b.map(call, name, &x)
}

/// Neg and Reciprocal.
pub fn inverse(b: &mut Builder<'_>, call: &Call<'_>) -> Lowered<Live> {
    let x = b.live(call, 0)?;
    if call.node.op == "Neg" {
        // Unlike 0 − x, this turns the sign of 0 too.
        return b.with_number(call, &x, '*', -1.0);
    }
    let one = scalar(b, call, 1.0)?;
    combine(b, call, one, '/', Value::Live(x))
}

/// Swish: `x · sigmoid(alpha · x)`.
pub fn swish(b: &mut Builder<'_>, call: &Call<'_>) -> Lowered<Live> {
    let x = b.live(call, 0)?;
    let alpha = call.float("alpha", 1.0)?;
    if alpha == 1.0 {
        return b.plain(call, &x, "silu");
    }
    let scaled = b.with_number(call, &x, '*', alpha)?;
    let gate = b.plain(call, &scaled, "sigmoid")?;
    b.with_value(call, &x, '*', &gate)
}

/// A bound of `Clip`: an attribute in older versions, an input in newer ones.
fn bound(b: &mut Builder<'_>, call: &Call<'_>, name: &str, index: usize) -> Lowered<Option<Value>> {
    if let Some(number) = call.float_of(name)? {
        return Ok(Some(scalar(b, call, number)?));
    }
    Ok(match call.input(index) {
        Some(Value::Known(constant)) if constant.is_empty() => None,
        bound => bound.cloned(),
    })
}

/// Clip. Where the lower bound is above the upper one, the result is the upper one.
pub fn clip(b: &mut Builder<'_>, call: &Call<'_>) -> Lowered<Live> {
    let x = b.live(call, 0)?;
    let (lower, upper) = (bound(b, call, "min", 1)?, bound(b, call, "max", 2)?);
    let number = |bound: &Option<Value>, none: f32| match bound {
        None => Some(none),
        Some(Value::Known(constant)) => constant.scalar().filter(|v| !v.is_nan()),
        Some(Value::Live(_)) => None,
    };
    // Bounds that old exporters write for "none".
    let low = number(&lower, f32::NEG_INFINITY).map(|v| if v == f32::MIN { f32::NEG_INFINITY } else { v });
    let high = number(&upper, f32::INFINITY).map(|v| if v == f32::MAX { f32::INFINITY } else { v });
    if let (Some(low), Some(high)) = (low, high)
        && low <= high
        && low != f32::INFINITY
        && high != f32::NEG_INFINITY
    {
        let none = Settings::default();
        return match (low, high) {
            (f32::NEG_INFINITY, f32::INFINITY) => Ok(x),
            (0.0, f32::INFINITY) => b.plain(call, &x, "relu"),
            (0.0, 6.0) => b.plain(call, &x, "relu6"),
            _ => {
                let settings = none.number_unless("min", low, f32::NEG_INFINITY);
                let settings = settings.number_unless("max", high, f32::INFINITY);
                b.layer(call, &x, "clamp", settings, x.dims.clone())
            }
        };
    }
    let mut y = x;
    if let Some(lower) = lower {
        y = bounded(b, call, &y, "max", lower)?;
    }
    if let Some(upper) = upper {
        y = bounded(b, call, &y, "min", upper)?;
    }
    Ok(y)
}

/// The slopes of a `PRelu` as one for all or one for each channel, where they are.
fn slopes(x: &Live, slope: &Constant) -> Option<Vec<f32>> {
    // The layer needs an axis of channels.
    if x.dims.is_empty() {
        return None;
    }
    if slope.len() == 1 {
        return Some(slope.to_floats().into_owned());
    }
    let channels = match x.rank() {
        2 => x.dims.last(),
        4 => x.dims.get(x.dims.len() - 3),
        _ => None,
    };
    let &channels = channels?;
    let dims = slope.dims();
    let after = if x.rank() == 4 { 2 } else { 0 };
    let start = dims.iter().position(|&d| d != 1)?;
    let only_channels = dims.get(start) == Some(&channels)
        && slope.len() as u64 == channels
        && dims.len() - start == after + 1;
    // A list that fits no other way was meant for the channels.
    let list = dims.len() == 1
        && slope.len() as u64 == channels
        && super::super::shapes::broadcast(&x.dims, dims).is_err();
    (only_channels || list).then(|| slope.to_floats().into_owned())
}

/// PRelu.
pub fn prelu(b: &mut Builder<'_>, call: &Call<'_>) -> Lowered<Live> {
    let x = b.live(call, 0)?;
    let slope = call.must(1)?.clone();
    if let Value::Known(constant) = &slope
        && let Some(slopes) = slopes(&x, constant)
    {
        let count = slopes.len() as u64;
        let made = b.made(call, Constant::floats(&[count], slopes))?;
        let weights = vec![("weight", b.tensor(call, &made, &[count])?)];
        let settings = Settings::default().flag_unless("per_channel", count > 1, false);
        let name = line_name(call, &[1]);
        return b.weighted(call, &x, "prelu", settings, x.dims.clone(), (name, weights));
    }
    // max(x, 0) + slope · min(x, 0)
    let zero = scalar(b, call, 0.0)?;
    let above = b.plain(call, &x, "relu")?;
    let below = bounded(b, call, &x, "min", zero)?;
    let scaled = combine(b, call, slope, '*', Value::Live(below))?;
    combine(b, call, Value::Live(above), '+', Value::Live(scaled))
}

/// Softmax and LogSoftmax.
pub fn softmax(b: &mut Builder<'_>, call: &Call<'_>) -> Lowered<Live> {
    let x = b.live(call, 0)?;
    let layer = if call.node.op == "Softmax" { "softmax" } else { "log_softmax" };
    let shape = b.shape(&x);
    let flattens = call.opset() < 13;
    let axis = call.int("axis", if flattens { 1 } else { -1 })?;
    if flattens && axis == shape.len() as i64 {
        return Err(call.unsupported("it is over no axis").into());
    }
    let axis = call.rule(super::super::shapes::axis(axis, shape.len()))?;
    let own = b.own_axis(&x, axis)?;
    let along = |b: &mut Builder<'_>, x: &Live, axis: usize| {
        let usual = crate::graph::shape::channel_axis(x.dims.len()).unwrap_or(0);
        let settings = Settings::default().whole_unless("axis", axis as u64, usual as u64);
        b.layer(call, x, layer, settings, x.dims.clone())
    };
    let rest = x.dims.get(own..).unwrap_or_default();
    if !flattens || rest.iter().skip(1).all(|&d| d == 1) {
        return along(b, &x, own);
    }
    // Before version 13 all axes from this one on count as one.
    if let [only] = rest.iter().enumerate().filter(|(_, d)| **d != 1).collect::<Vec<_>>().as_slice() {
        return along(b, &x, own + only.0);
    }
    let before = x.dims.get(..own).unwrap_or_default();
    let flat = [before, &[rest.iter().product()]].concat();
    let seen = b.reshape(call, &x, &flat)?;
    let y = along(b, &seen, own)?;
    b.reshape(call, &y, &x.dims)
}
