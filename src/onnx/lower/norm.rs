//! Normalisations.

use std::sync::Arc;

use super::super::call::{Call, Live, Value};
use super::super::draft::{Operand, Setting};
use super::super::shapes;
use super::super::tensor::{Constant, count};
use super::builder::{Builder, Fail, Lowered, Weights};
use super::conv::line_name;
use super::dense::scaled;
use super::elementwise::{combine, scalar};
use super::settings::Settings;

const EPS: f32 = 1e-5;

/// What is added to a variance.
fn epsilon(call: &Call<'_>) -> Lowered<f32> {
    let eps = call.float("epsilon", EPS)?;
    if eps >= 0.0 { Ok(eps) } else { Err(call.invalid(format!("its epsilon is {eps}")).into()) }
}

/// The channels of a value: ONNX's axis 1.
fn channels(call: &Call<'_>, shape: &[u64]) -> Lowered<u64> {
    let c = shape.get(1).copied();
    Ok(c.ok_or_else(|| call.invalid(format!("its input {shape:?} has no axis of channels")))?)
}

/// A value with channels where the language has them: the third last of at least three axes of a
/// sample, or the last of fewer.
fn by_channels(b: &mut Builder<'_>, call: &Call<'_>, x: &Live) -> Lowered<Live> {
    let rank = x.rank();
    if rank == 2 || rank == 4 {
        return Ok(x.clone());
    }
    let keep = if x.batched { 1 } else { 2 };
    let (before, after) = (x.dims.get(..keep), x.dims.get(keep..));
    let (Some(before), Some(after)) = (before, after) else {
        return Err(call.invalid(format!("its input {:?} has no axis of channels", x.dims)).into());
    };
    let (&last, middle) = after.split_last().unwrap_or((&1, &[]));
    let dims = [before, &[middle.iter().product(), last]].concat();
    b.reshape(call, x, &dims)
}

/// BatchNormalization.
pub fn batch(b: &mut Builder<'_>, call: &Call<'_>) -> Lowered<Vec<Option<Value>>> {
    let x = b.live(call, 0)?;
    let shape = b.shape(&x);
    let c = channels(call, &shape)?;
    let eps = epsilon(call)?;
    if call.flag("training_mode")? {
        return trained(b, call, &x, c, eps);
    }
    call.only_first("which only training gives")?;
    if call.int("spatial", 1)? == 0 {
        let y = by_element(b, call, &x, eps)?;
        return Ok(vec![Some(Value::Live(y))]);
    }
    let mut weights: Weights = Vec::new();
    let suffixes = ["weight", "bias", "running_mean", "running_var"];
    for (index, suffix) in (1..).zip(suffixes) {
        let constant = call.must_know(index, suffix)?.clone();
        weights.push((suffix, b.weight(call, suffix, &constant, &[c])?));
    }
    let seen = by_channels(b, call, &x)?;
    let settings = Settings::default().number_unless("eps", eps, EPS);
    let name = line_name(call, &[1, 2, 3]);
    let y = b.weighted(call, &seen, "batchnorm", settings, seen.dims.clone(), (name, weights))?;
    let y = b.reshape(call, &y, &x.dims)?;
    Ok(vec![Some(Value::Live(y))])
}

/// Statistics for every element of a sample, as versions before 9 allow.
fn by_element(b: &mut Builder<'_>, call: &Call<'_>, x: &Live, eps: f32) -> Lowered<Live> {
    let sample = b.shape(x).get(1..).unwrap_or_default().to_vec();
    let mut all = Vec::new();
    for index in 1..=4 {
        let constant = call.must_know(index, "its statistics")?.clone();
        all.push(b.weight(call, "its statistics", &constant, &sample)?);
    }
    let [scale, shift, mean, variance] = all.as_slice() else {
        return Err(call.invalid("its statistics are missing").into());
    };
    let factor = |i: usize, scale: f32| {
        let v = variance.data().get(i).copied().unwrap_or(1.0);
        f64::from(scale) / (f64::from(v) + f64::from(eps)).sqrt()
    };
    let factors: Vec<f64> = scale.data().iter().enumerate().map(|(i, &s)| factor(i, s)).collect();
    let offsets = factors.iter().zip(shift.data().iter().zip(mean.data()));
    let offsets = offsets.map(|(f, (&s, &m))| (f64::from(s) - f64::from(m) * f) as f32).collect();
    let factors = factors.iter().map(|&f| f as f32).collect();
    let factors = b.made(call, Constant::floats(&sample, factors))?;
    let offsets = b.made(call, Constant::floats(&sample, offsets))?;
    let y = combine(b, call, Value::Live(x.clone()), '*', Value::Known(factors))?;
    combine(b, call, Value::Live(y), '+', Value::Known(offsets))
}

/// Statistics of the batch itself, and the running ones that training would keep.
fn trained(b: &mut Builder<'_>, call: &Call<'_>, x: &Live, c: u64, eps: f32) -> Lowered<Vec<Option<Value>>> {
    if x.batched {
        return Err(Fail::Mixes);
    }
    let momentum = call.float("momentum", 0.9)?;
    let mut wide = vec![1; x.dims.len()];
    if let Some(slot) = wide.get_mut(1) {
        *slot = c;
    }
    let axes: Vec<usize> = (0..x.dims.len()).filter(|&i| i != 1).collect();
    let mean = reduced(b, call, x, "reduce_mean", &axes)?;
    let centred = b.with_value(call, x, '-', &mean)?;
    let squares = b.with_value(call, &centred, '*', &centred)?;
    let variance = reduced(b, call, &squares, "reduce_mean", &axes)?;
    let guarded = b.with_number(call, &variance, '+', eps)?;
    let deviation = b.map(call, "sqrt", &guarded)?;
    let mut y = b.with_value(call, &centred, '/', &deviation)?;
    for (index, sign) in [(1, '*'), (2, '+')] {
        let constant = call.must_know(index, "its weight")?.clone();
        b.weight(call, "its weight", &constant, &[c])?;
        let name = call.node.inputs.get(index).cloned().unwrap_or_default();
        let param = b.param(call, &name, &constant, wide.get(1..).unwrap_or_default())?;
        y = b.with_value(call, &y, sign, &param)?;
    }
    let mut outputs = vec![Some(Value::Live(y))];
    for (output, (index, current)) in (1..).zip([(3, &mean), (4, &variance)]) {
        if !call.wants(output) {
            outputs.push(None);
            continue;
        }
        let before = call.must_know(index, "its running statistics")?.clone();
        b.weight(call, "its running statistics", &before, &[c])?;
        let flat = b.reshape(call, current, &[c])?;
        let share = scaled(b, call, flat, 1.0 - momentum)?;
        let kept = before.to_floats().iter().map(|v| v * momentum).collect();
        let kept = b.made(call, Constant::floats(&[c], kept))?;
        outputs.push(Some(Value::Live(combine(b, call, Value::Live(share), '+', Value::Known(kept))?)));
    }
    Ok(outputs)
}

/// A reduction of a value over some of the draft's axes, which stay with length 1.
fn reduced(
    b: &mut Builder<'_>,
    call: &Call<'_>,
    x: &Live,
    layer: &'static str,
    axes: &[usize],
) -> Lowered<Live> {
    super::reduce::over(b, call, x, layer, axes, true)
}

/// Scale and shift, one for each channel.
fn affine(b: &mut Builder<'_>, call: &Call<'_>, c: u64) -> Lowered<Weights> {
    let mut weights = Vec::new();
    for (index, suffix) in [(1, "weight"), (2, "bias")] {
        let constant = call.must_know(index, suffix)?.clone();
        weights.push((suffix, b.weight(call, suffix, &constant, &[c])?));
    }
    Ok(weights)
}

/// InstanceNormalization.
pub fn instance(b: &mut Builder<'_>, call: &Call<'_>) -> Lowered<Live> {
    let x = b.live(call, 0)?;
    let c = channels(call, &b.shape(&x))?;
    if x.rank() < 3 {
        return Err(call.invalid("its input has no spatial axes").into());
    }
    let weights = affine(b, call, c)?;
    let seen = by_channels(b, call, &x)?;
    let settings = Settings::default().number_unless("eps", epsilon(call)?, EPS);
    let name = line_name(call, &[1, 2]);
    let y = b.weighted(call, &seen, "instance_norm", settings, seen.dims.clone(), (name, weights))?;
    b.reshape(call, &y, &x.dims)
}

/// GroupNormalization: in version 18 with scale and shift for each group, later for each channel.
pub fn group(b: &mut Builder<'_>, call: &Call<'_>) -> Lowered<Live> {
    let x = b.live(call, 0)?;
    let c = channels(call, &b.shape(&x))?;
    let groups = call.int("num_groups", 0)?;
    let groups = u64::try_from(groups).ok().filter(|&g| g > 0 && c.is_multiple_of(g));
    let groups = groups.ok_or_else(|| call.invalid(format!("its num_groups do not split {c} channels")))?;
    let mut weights: Weights = Vec::new();
    for (index, suffix) in [(1, "weight"), (2, "bias")] {
        let constant = call.must_know(index, suffix)?.clone();
        let per_channel = if constant.dims() == [groups] && groups != c {
            let each = i64::try_from(c / groups).unwrap_or(1);
            let spread = constant.view(&[groups, each.unsigned_abs()], &[1, 0], 0);
            b.made(call, spread.and_then(|s| s.reshaped(&[c])))?
        } else {
            constant
        };
        weights.push((suffix, b.weight(call, suffix, &per_channel, &[c])?));
    }
    let seen = by_channels(b, call, &x)?;
    let settings = Settings::default().whole("groups", groups);
    let settings = settings.number_unless("eps", epsilon(call)?, EPS);
    let name = line_name(call, &[1, 2]);
    let y = b.weighted(call, &seen, "group_norm", settings, seen.dims.clone(), (name, weights))?;
    b.reshape(call, &y, &x.dims)
}

/// LayerNormalization.
pub fn layer(b: &mut Builder<'_>, call: &Call<'_>) -> Lowered<Live> {
    call.only_first("a mean or deviation; only the normalised value is computed")?;
    let x = b.live(call, 0)?;
    let axis = call.rule(shapes::axis(call.int("axis", -1)?, x.rank()))?;
    let own = b.own_axis(&x, axis)?;
    let last = x.dims.get(own..).unwrap_or_default().to_vec();
    let mut weights: Weights = Vec::new();
    for (index, suffix) in [(1, "weight"), (2, "bias")] {
        let Some(constant) = call.known(index, suffix)?.cloned() else { continue };
        weights.push((suffix, spread(b, call, &constant, &last)?));
    }
    if weights.first().is_none_or(|(suffix, _)| *suffix != "weight") {
        return Err(call.invalid("its scale is missing").into());
    }
    let settings = Settings::default()
        .whole_unless("axes", last.len() as u64, 1)
        .number_unless("eps", epsilon(call)?, EPS)
        .flag_unless("bias", weights.len() == 2, true);
    let name = line_name(call, &[1, 2]);
    b.weighted(call, &x, "layer_norm", settings, x.dims.clone(), (name, weights))
}

/// A constant repeated to a shape.
fn spread(
    b: &mut Builder<'_>,
    call: &Call<'_>,
    constant: &Constant,
    dims: &[u64],
) -> Lowered<Arc<crate::tensor::Tensor>> {
    if constant.dims() == dims {
        return b.tensor(call, constant, dims);
    }
    let broadcast = call.rule(shapes::broadcast(constant.dims(), dims))?;
    if broadcast != dims || constant.dims().len() > dims.len() {
        return Err(call.invalid(format!("{:?} does not fit {dims:?}", constant.dims())).into());
    }
    b.room.take(count(dims).unwrap_or(u64::MAX).saturating_mul(4))?;
    let extra = dims.len() - constant.dims().len();
    let own = constant.dims().iter().zip(constant.strides()).map(|(&d, s)| if d == 1 { 0 } else { s });
    let strides: Vec<i64> = std::iter::repeat_n(0, extra).chain(own).collect();
    let whole = b.made(call, constant.view(dims, &strides, 0))?;
    b.tensor(call, &whole, dims)
}

/// LRN.
pub fn lrn(b: &mut Builder<'_>, call: &Call<'_>) -> Lowered<Live> {
    let x = b.live(call, 0)?;
    let size = call.int("size", 0)?;
    let size = u64::try_from(size).ok().filter(|&s| s > 0 && s <= crate::limits::WINDOW);
    let size = size.ok_or_else(|| call.invalid("its size is not positive"))?;
    channels(call, &b.shape(&x))?;
    if x.rank() < 3 {
        return Err(call.unsupported("its input has no spatial axes").into());
    }
    let seen = by_channels(b, call, &x)?;
    let settings = Settings::default()
        .whole("size", size)
        .number_unless("alpha", call.float("alpha", 0.0001)?, 0.0001)
        .number_unless("beta", call.float("beta", 0.75)?, 0.75)
        .number_unless("k", call.float("bias", 1.0)?, 1.0);
    let y = b.layer(call, &seen, "lrn", settings, seen.dims.clone())?;
    b.reshape(call, &y, &x.dims)
}

/// MeanVarianceNormalization: over samples, rows and columns where `axes` does not say otherwise.
pub fn mean_variance(b: &mut Builder<'_>, call: &Call<'_>) -> Lowered<Live> {
    let x = b.live(call, 0)?;
    let list = call.ints("axes")?.unwrap_or(&[0, 2, 3]);
    let axes = call.rule(shapes::axes(list, x.rank()))?;
    let mut own = Vec::new();
    for &axis in &axes {
        own.push(b.own_axis(&x, axis)?);
    }
    let mean = reduced(b, call, &x, "reduce_mean", &own)?;
    let centred = b.with_value(call, &x, '-', &mean)?;
    let squares = b.with_value(call, &centred, '*', &centred)?;
    let variance = reduced(b, call, &squares, "reduce_mean", &own)?;
    let deviation = b.map(call, "sqrt", &variance)?;
    // As ONNX's reference does, so that a constant value gives 0.
    let guarded = b.with_number(call, &deviation, '+', 1e-9)?;
    b.with_value(call, &centred, '/', &guarded)
}

/// LpNormalization: a value divided by its norm along an axis.
pub fn lp(b: &mut Builder<'_>, call: &Call<'_>) -> Lowered<Live> {
    let x = b.live(call, 0)?;
    let axis = call.rule(shapes::axis(call.int("axis", -1)?, x.rank()))?;
    let own = [b.own_axis(&x, axis)?];
    let norm = match call.int("p", 2)? {
        1 => {
            let all = b.map(call, "abs", &x)?;
            reduced(b, call, &all, "reduce_sum", &own)?
        }
        2 => {
            let squares = b.with_value(call, &x, '*', &x)?;
            let sum = reduced(b, call, &squares, "reduce_sum", &own)?;
            b.map(call, "sqrt", &sum)?
        }
        p => return Err(call.invalid(format!("its p is {p}")).into()),
    };
    let zero = scalar(b, call, f32::MIN_POSITIVE)?;
    let Value::Known(least) = zero else { return b.with_value(call, &x, '/', &norm) };
    let least = b.number(call, least.scalar().unwrap_or(0.0))?;
    let like = (norm.batched, norm.dims.clone());
    let guarded = b.function(call, "max", vec![Operand::Value(norm.at), least], Settings::default(), like)?;
    b.with_value(call, &x, '/', &guarded)
}

/// A setting that lists axes.
pub fn axes_setting(axes: &[usize]) -> Setting {
    Setting::List(axes.iter().map(|&a| a as i64).collect())
}
