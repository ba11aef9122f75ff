//! Constants from nothing, from shapes and from other types.

use super::super::call::Call;
use super::super::error::OnnxError;
use super::super::tensor::{Constant, Elements, Kind, kind_of};
use super::{Room, made};

/// Constant.
pub fn constant(call: &Call<'_>, room: &mut Room) -> Result<Vec<Constant>, OnnxError> {
    if let Some(value) = call.tensor("value")? {
        // Shared by nothing but this node, but a file may hold many.
        room.take(value.bytes())?;
        return Ok(vec![(**value).clone()]);
    }
    if let Some(v) = call.int_of("value_int")? {
        return Ok(vec![made(call, Constant::whole(&[], vec![v]))?]);
    }
    if let Some(v) = call.ints("value_ints")? {
        return Ok(vec![Constant::list(v.to_vec())]);
    }
    if let Some(v) = call.float_of("value_float")? {
        return Ok(vec![made(call, Constant::floats(&[], vec![v]))?]);
    }
    if let Some(v) = call.floats("value_floats")? {
        return Ok(vec![made(call, Constant::floats(&[v.len() as u64], v.to_vec()))?]);
    }
    Err(call.unsupported("its value is not a tensor of numbers, a number or a list of numbers"))
}

/// ConstantOfShape.
pub fn constant_of_shape(call: &Call<'_>, room: &mut Room) -> Result<Vec<Constant>, OnnxError> {
    let shape = call.list("shape", 0)?.ok_or_else(|| call.invalid("it has no shape"))?;
    let dims: Option<Vec<u64>> = shape.iter().map(|&d| u64::try_from(d).ok()).collect();
    let dims = dims.ok_or_else(|| call.invalid(format!("its shape {shape:?} is negative")))?;
    room.elements(&dims)?;
    let total = super::super::tensor::count(&dims).unwrap_or(0) as usize;
    let filled = match call.tensor("value")?.map(|v| v.data()) {
        None => Constant::floats(&dims, vec![0.0; total]),
        Some(Elements::F32(t)) => {
            Constant::floats(&dims, vec![t.data().first().copied().unwrap_or(0.0); total])
        }
        Some(Elements::I64(v)) => Constant::whole(&dims, vec![v.first().copied().unwrap_or(0); total]),
        Some(Elements::Bool(v)) => Constant::bools(&dims, vec![v.first().copied().unwrap_or(false); total]),
    };
    Ok(vec![made(call, filled)?])
}

/// Range.
pub fn range(call: &Call<'_>, room: &mut Room) -> Result<Vec<Constant>, OnnxError> {
    let of = |index: usize| -> Result<(f32, Option<i64>), OnnxError> {
        let value = call.must_know(index, "a bound")?;
        let one = value.scalar().ok_or_else(|| call.invalid("a bound is not one number"))?;
        Ok((one, value.integers().and_then(|v| v.first().copied())))
    };
    let (start, limit, delta) = (of(0)?, of(1)?, of(2)?);
    let too_long = || call.invalid("it is too long, or its step is 0");
    if let (Some(start), Some(limit), Some(delta)) = (start.1, limit.1, delta.1) {
        let (s, l, d) = (i128::from(start), i128::from(limit), i128::from(delta));
        let span = if d < 0 { s - l } else { l - s };
        let size = d.abs();
        let count = if span <= 0 { 0 } else { (span + size - 1).checked_div(size).ok_or_else(too_long)? };
        let count = u64::try_from(count).map_err(|_| too_long())?;
        room.elements(&[count])?;
        // Every element lies between the bounds.
        let data = (0..count as i64).map(|i| start.wrapping_add(i.wrapping_mul(delta))).collect();
        return Ok(vec![Constant::list(data)]);
    }
    let count = ((f64::from(limit.0) - f64::from(start.0)) / f64::from(delta.0)).ceil().max(0.0);
    if !count.is_finite() || count > 1e12 {
        return Err(too_long());
    }
    room.elements(&[count as u64])?;
    let at = |i: u64| (f64::from(start.0) + i as f64 * f64::from(delta.0)) as f32;
    let data: Vec<f32> = (0..count as u64).map(at).collect();
    Ok(vec![made(call, Constant::floats(&[count as u64], data))?])
}

/// Shape and Size of a constant.
pub fn shape(call: &Call<'_>, _: &mut Room) -> Result<Vec<Constant>, OnnxError> {
    let dims = call.must_know(0, "the data")?.dims().to_vec();
    Ok(vec![shape_of(call, &dims)?])
}

/// What Shape or Size give for a value of some shape.
pub fn shape_of(call: &Call<'_>, dims: &[u64]) -> Result<Constant, OnnxError> {
    if call.node.op == "Size" {
        let size = super::super::tensor::count(dims).and_then(|n| i64::try_from(n).ok()).unwrap_or(i64::MAX);
        return made(call, Constant::whole(&[], vec![size]));
    }
    let rank = dims.len() as i64;
    let bound = |v: i64| if v < 0 { v.saturating_add(rank) } else { v }.clamp(0, rank) as usize;
    let (start, end) = (bound(call.int("start", 0)?), bound(call.int("end", rank)?));
    let part = dims.get(start..end.max(start)).unwrap_or_default();
    Ok(Constant::list(part.iter().map(|&d| d as i64).collect()))
}

/// Identity, and Dropout, of a constant.
pub fn identity(call: &Call<'_>, room: &mut Room) -> Result<Vec<Constant>, OnnxError> {
    let x = call.must_know(0, "the data")?;
    room.take(x.bytes())?;
    Ok(vec![(**x).clone()])
}

/// Cast of a constant.
pub fn cast(call: &Call<'_>, room: &mut Room) -> Result<Vec<Constant>, OnnxError> {
    let x = call.must_know(0, "the data")?;
    room.elements(x.dims())?;
    let to = call.int("to", 0)?;
    let kind = i32::try_from(to).ok().and_then(kind_of);
    let kind =
        kind.ok_or_else(|| call.unsupported(format!("it casts to ONNX's type {to}, which is not read")))?;
    let result = match (kind, x.data()) {
        (Kind::Float, Elements::F32(_))
        | (Kind::Whole, Elements::I64(_))
        | (Kind::Bool, Elements::Bool(_)) => Some((**x).clone()),
        (Kind::Float, _) => Constant::floats(x.dims(), x.to_floats().into_owned()),
        (Kind::Whole, Elements::Bool(v)) => {
            Constant::whole(x.dims(), v.iter().map(|&v| i64::from(v)).collect())
        }
        // Towards 0; what does not fit becomes the nearest that does.
        (Kind::Whole, _) => Constant::whole(x.dims(), x.to_floats().iter().map(|&v| v as i64).collect()),
        (Kind::Bool, _) => Constant::bools(x.dims(), x.to_floats().iter().map(|&v| v != 0.0).collect()),
    };
    Ok(vec![made(call, result)?])
}
