//! Values joined and repeated.

use std::sync::Arc;

use super::super::call::{Call, Live, Value};
use super::super::draft::Operand;
use super::super::shapes;
use super::super::tensor::Constant;
use super::builder::{Builder, Fail, Lowered};
use super::cut::operand;
use super::settings::Settings;
use crate::graph::shape::channel_axis;
use crate::limits;

/// Joins values of the draft along one of its axes.
pub fn concat_lives(b: &mut Builder<'_>, call: &Call<'_>, parts: &[Live], axis: usize) -> Lowered<Live> {
    let Some(first) = parts.first() else { return Err(call.invalid("it joins nothing").into()) };
    if parts.len() == 1 {
        return Ok(first.clone());
    }
    let mut dims = first.dims.clone();
    let mut along = 0u64;
    for part in parts {
        if part.batched != first.batched {
            return Err(Fail::Mixes);
        }
        let same = part.dims.len() == dims.len()
            && part.dims.iter().zip(&first.dims).enumerate().all(|(i, (a, b))| i == axis || a == b);
        if !same {
            return Err(call
                .invalid(format!("{:?} and {:?} cannot be joined", first.dims, part.dims))
                .into());
        }
        along = along.saturating_add(part.dims.get(axis).copied().unwrap_or(0));
    }
    if let Some(slot) = dims.get_mut(axis) {
        *slot = along;
    }
    let usual = channel_axis(dims.len()).unwrap_or(0);
    let settings = Settings::default().whole_unless("axis", axis as u64, usual as u64);
    b.function(call, "concat", parts.iter().map(operand).collect(), settings, (first.batched, dims))
}

/// Concat.
pub fn concat(b: &mut Builder<'_>, call: &Call<'_>) -> Lowered<Live> {
    let mut parts = Vec::new();
    let mut rank = None;
    for index in 0..call.inputs.len() {
        // A part without elements adds nothing.
        if let Value::Known(constant) = call.must(index)?
            && constant.is_empty()
        {
            continue;
        }
        let part = b.live(call, index)?;
        if *rank.get_or_insert(part.rank()) != part.rank() {
            // A constant has all of ONNX's axes, a value with a free batch axis one fewer in the draft.
            return Err(call.invalid("it joins values with different numbers of axes").into());
        }
        parts.push(part);
    }
    let Some(first) = parts.first() else { return Err(call.invalid("it joins nothing").into()) };
    let axis = call.rule(shapes::axis(call.int("axis", 1)?, first.rank()))?;
    if parts.iter().any(|p| p.batched != first.batched) {
        return Err(Fail::Mixes);
    }
    let own = b.own_axis(first, axis)?;
    concat_lives(b, call, &parts, own)
}

/// Repeats a value along one of the draft's axes.
fn repeat(b: &mut Builder<'_>, call: &Call<'_>, x: &Live, axis: usize, times: u64) -> Lowered<Live> {
    const WRITTEN_OUT: u64 = 8;
    if times == 1 {
        return Ok(x.clone());
    }
    if x.dims.get(axis) == Some(&1) && times > WRITTEN_OUT {
        // A product with ones: exact, and one line.
        let tail = x.dims.len().saturating_sub(axis + 1);
        let ones: Vec<u64> = std::iter::once(times).chain(std::iter::repeat_n(1, tail)).collect();
        let size = usize::try_from(times).unwrap_or(usize::MAX);
        b.room.take(times.saturating_mul(8))?;
        let ones_constant: Option<Arc<Constant>> = Constant::floats(&ones, vec![1.0; size]).map(Arc::new);
        let constant = ones_constant.ok_or_else(|| call.invalid("it repeats too often"))?;
        let param = b.param(call, "", &constant, &ones)?;
        let mut dims = x.dims.clone();
        if let Some(slot) = dims.get_mut(axis) {
            *slot = times;
        }
        return b.operator(call, '*', operand(x), Operand::Value(param.at), (x.batched, dims));
    }
    if times > limits::ONNX_PIECES {
        return Err(call.unsupported(format!("it repeats a value {times} times")).into());
    }
    let parts: Vec<Live> = (0..times).map(|_| x.clone()).collect();
    concat_lives(b, call, &parts, axis)
}

/// Expand.
pub fn expand(b: &mut Builder<'_>, call: &Call<'_>) -> Lowered<Live> {
    let x = b.live(call, 0)?;
    let to = call.list("shape", 1)?.ok_or_else(|| call.invalid("it has no shape"))?;
    let to: Option<Vec<u64>> = to.iter().map(|&d| u64::try_from(d).ok().filter(|&d| d > 0)).collect();
    let to = to.ok_or_else(|| call.invalid("its shape is not of positive numbers"))?;
    let from = b.shape(&x);
    let shape = call.rule(shapes::broadcast(&from, &to))?;
    if shape.len() > limits::RANK {
        return Err(call.unsupported(format!("its result has {} axes", shape.len())).into());
    }
    if x.batched && shape.len() != from.len() {
        return Err(Fail::Mixes);
    }
    let dims = b.own_dims(&x, &shape)?;
    let missing = dims.len().saturating_sub(x.dims.len());
    let seen: Vec<u64> = std::iter::repeat_n(1, missing).chain(x.dims.iter().copied()).collect();
    let mut y = b.reshape(call, &x, &seen)?;
    for (axis, (&d, &from)) in dims.iter().zip(&seen).enumerate() {
        if d != from {
            y = repeat(b, call, &y, axis, d)?;
        }
    }
    Ok(y)
}

/// Tile.
pub fn tile(b: &mut Builder<'_>, call: &Call<'_>) -> Lowered<Live> {
    let mut x = b.live(call, 0)?;
    let repeats = call.list("repeats", 1)?.unwrap_or_default();
    if repeats.len() != x.rank() || repeats.iter().any(|&r| r < 1) {
        return Err(call.invalid(format!("its repeats {repeats:?} are not one for each axis")).into());
    }
    for (axis, times) in repeats.iter().map(|&r| r.unsigned_abs()).enumerate() {
        if times != 1 {
            let own = b.own_axis(&x, axis)?;
            x = repeat(b, call, &x, own, times)?;
        }
    }
    Ok(x)
}
