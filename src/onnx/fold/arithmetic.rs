//! Elementwise arithmetic on constants.

use super::super::call::Call;
use super::super::error::OnnxError;
use super::super::shapes;
use super::super::tensor::{Constant, Elements};
use super::{Room, made};

/// Two constants seen under one shape.
fn aligned(
    call: &Call<'_>,
    room: &mut Room,
    a: &Constant,
    b: &Constant,
) -> Result<(Constant, Constant, Vec<u64>), OnnxError> {
    let dims = call.rule(shapes::broadcast(a.dims(), b.dims()))?;
    room.elements(&dims)?;
    room.elements(&dims)?;
    Ok((spread(call, a, &dims)?, spread(call, b, &dims)?, dims))
}

/// A constant repeated to a shape that it broadcasts to.
pub(super) fn spread(call: &Call<'_>, constant: &Constant, dims: &[u64]) -> Result<Constant, OnnxError> {
    if constant.dims() == dims {
        return Ok(constant.clone());
    }
    let extra = dims.len().saturating_sub(constant.dims().len());
    let own = constant.dims().iter().zip(constant.strides()).map(|(&d, s)| if d == 1 { 0 } else { s });
    let strides: Vec<i64> = std::iter::repeat_n(0, extra).chain(own).collect();
    made(call, constant.view(dims, &strides, 0))
}

fn input<'c>(call: &'c Call<'_>, index: usize) -> Result<&'c Constant, OnnxError> {
    call.must_know(index, "an operand").map(|c| &**c)
}

/// Add, Sub, Mul, Div, Mod, Pow; Min, Max and Sum of any number.
pub fn binary(call: &Call<'_>, room: &mut Room) -> Result<Vec<Constant>, OnnxError> {
    let mut result = input(call, 0)?.clone();
    let op = call.node.op.as_str();
    for index in 1..call.inputs.len() {
        let (a, b, dims) = aligned(call, room, &result, input(call, index)?)?;
        room.elements(&dims)?;
        result = match (a.data(), b.data()) {
            (Elements::I64(a), Elements::I64(b)) => {
                let data: Option<Vec<i64>> = a.iter().zip(b).map(|(&a, &b)| whole(op, a, b)).collect();
                let data =
                    data.ok_or_else(|| call.invalid("its whole numbers overflow, or are divided by 0"))?;
                made(call, Constant::whole(&dims, data))?
            }
            _ => {
                let fmod = call.int("fmod", 0)? != 0;
                let (a, b) = (a.to_floats(), b.to_floats());
                let data = a.iter().zip(&*b).map(|(&a, &b)| float(op, a, b, fmod)).collect();
                made(call, Constant::floats(&dims, data))?
            }
        };
    }
    Ok(vec![result])
}

fn whole(op: &str, a: i64, b: i64) -> Option<i64> {
    match op {
        "Add" | "Sum" => a.checked_add(b),
        "Sub" => a.checked_sub(b),
        "Mul" => a.checked_mul(b),
        "Div" => a.checked_div(b),
        // The sign is that of the divisor, as in Python.
        "Mod" => a
            .checked_rem(b)
            .and_then(|r| if r != 0 && (r < 0) != (b < 0) { r.checked_add(b) } else { Some(r) }),
        "Pow" => a.checked_pow(u32::try_from(b).ok()?),
        "Min" => Some(a.min(b)),
        "Max" => Some(a.max(b)),
        _ => None,
    }
}

fn float(op: &str, a: f32, b: f32, fmod: bool) -> f32 {
    match op {
        "Add" | "Sum" => a + b,
        "Sub" => a - b,
        "Mul" => a * b,
        "Div" => a / b,
        "Mod" if fmod => a % b,
        "Mod" => a - b * (a / b).floor(),
        "Pow" => a.powf(b),
        _ if a.is_nan() || b.is_nan() => f32::NAN,
        "Min" => a.min(b),
        _ => a.max(b),
    }
}

/// Functions of one argument.
pub fn unary(call: &Call<'_>, room: &mut Room) -> Result<Vec<Constant>, OnnxError> {
    let (x, op) = (input(call, 0)?, call.node.op.as_str());
    room.elements(x.dims())?;
    let result = match x.data() {
        Elements::Bool(v) if op == "Not" => Constant::bools(x.dims(), v.iter().map(|v| !v).collect()),
        Elements::I64(v) => {
            let data: Option<Vec<i64>> = v
                .iter()
                .map(|&v| match op {
                    "Abs" => v.checked_abs(),
                    "Neg" => v.checked_neg(),
                    "Floor" | "Ceil" | "Round" => Some(v),
                    _ => None,
                })
                .collect();
            let data = data.ok_or_else(|| call.invalid(format!("{op} of these whole numbers is not one")))?;
            Constant::whole(x.dims(), data)
        }
        Elements::F32(t) if op != "Not" => {
            let data = t.data().iter().map(|&v| match op {
                "Abs" => v.abs(),
                "Neg" => -v,
                "Floor" => v.floor(),
                "Ceil" => v.ceil(),
                "Round" => v.round_ties_even(),
                "Sqrt" => v.sqrt(),
                "Exp" => v.exp(),
                _ => 1.0 / v,
            });
            Constant::floats(x.dims(), data.collect())
        }
        _ => return Err(call.invalid(format!("{op} is not defined for truth values"))),
    };
    Ok(vec![made(call, result)?])
}

/// Equal, Less, Greater and those with "or equal".
pub fn compare(call: &Call<'_>, room: &mut Room) -> Result<Vec<Constant>, OnnxError> {
    let (a, b, dims) = aligned(call, room, input(call, 0)?, input(call, 1)?)?;
    let op = call.node.op.as_str();
    let data: Vec<bool> = match (a.data(), b.data()) {
        (Elements::I64(a), Elements::I64(b)) => a.iter().zip(b).map(|(a, b)| holds(op, a, b)).collect(),
        _ => {
            let (a, b) = (a.to_floats(), b.to_floats());
            a.iter().zip(&*b).map(|(a, b)| holds(op, a, b)).collect()
        }
    };
    Ok(vec![made(call, Constant::bools(&dims, data))?])
}

fn holds<T: PartialOrd>(op: &str, a: &T, b: &T) -> bool {
    match op {
        "Equal" => a == b,
        "Less" => a < b,
        "LessOrEqual" => a <= b,
        "Greater" => a > b,
        _ => a >= b,
    }
}

/// And, Or.
pub fn logic(call: &Call<'_>, room: &mut Room) -> Result<Vec<Constant>, OnnxError> {
    let (a, b, dims) = aligned(call, room, input(call, 0)?, input(call, 1)?)?;
    let (Elements::Bool(a), Elements::Bool(b)) = (a.data(), b.data()) else {
        return Err(call.invalid("its operands are not truth values"));
    };
    let and = call.node.op == "And";
    let data = a.iter().zip(b).map(|(&a, &b)| if and { a && b } else { a || b });
    Ok(vec![made(call, Constant::bools(&dims, data.collect()))?])
}

/// Where.
pub fn choose(call: &Call<'_>, room: &mut Room) -> Result<Vec<Constant>, OnnxError> {
    let condition = input(call, 0)?;
    let (a, b, dims) = aligned(call, room, input(call, 1)?, input(call, 2)?)?;
    let all = call.rule(shapes::broadcast(condition.dims(), &dims))?;
    for _ in 0..3 {
        room.elements(&all)?;
    }
    let (c, a, b) = (spread(call, condition, &all)?, spread(call, &a, &all)?, spread(call, &b, &all)?);
    let Elements::Bool(c) = c.data() else { return Err(call.invalid("its condition is not a truth value")) };
    let result = match (a.data(), b.data()) {
        (Elements::I64(a), Elements::I64(b)) => {
            let chosen = c.iter().zip(a.iter().zip(b)).map(|(&c, (&a, &b))| if c { a } else { b });
            Constant::whole(&all, chosen.collect())
        }
        (Elements::Bool(a), Elements::Bool(b)) => {
            let chosen = c.iter().zip(a.iter().zip(b)).map(|(&c, (&a, &b))| if c { a } else { b });
            Constant::bools(&all, chosen.collect())
        }
        _ => {
            let (a, b) = (a.to_floats(), b.to_floats());
            let chosen = c.iter().zip(a.iter().zip(&*b)).map(|(&c, (&a, &b))| if c { a } else { b });
            Constant::floats(&all, chosen.collect())
        }
    };
    Ok(vec![made(call, result)?])
}
