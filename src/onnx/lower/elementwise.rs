//! Arithmetic on values, with ONNX's broadcasting.

use std::sync::Arc;

use super::super::call::{Call, Live, Value};
use super::super::draft::{Operand, Ref, What};
use super::super::shapes;
use super::super::tensor::Constant;
use super::builder::{Builder, Fail, Lowered};
use super::names;
use super::settings::Settings;

/// Operands brought to one number of axes, and the axes of their result in the draft.
pub struct Aligned {
    operands: Vec<Operand>,
    batched: bool,
    dims: Vec<u64>,
}

/// Brings operands together so that the language's broadcasting does what ONNX's does.
fn align(b: &mut Builder<'_>, call: &Call<'_>, values: &[(Value, String)]) -> Lowered<Aligned> {
    let mut shape = Vec::new();
    let mut batched = false;
    let mut live_rank = 0;
    for (value, _) in values {
        shape = call.rule(shapes::broadcast(&shape, &b.shape_of(value)))?;
        if let Value::Live(x) = value {
            batched |= x.batched;
            live_rank = live_rank.max(x.rank());
        }
    }
    let rank = shape.len();
    let dims = match shape.split_first() {
        _ if !batched => shape.clone(),
        Some((&n, rest)) if n == b.batch => rest.to_vec(),
        _ => return Err(Fail::Mixes),
    };
    let mut operands = Vec::with_capacity(values.len());
    for (value, name) in values {
        operands.push(match value {
            Value::Live(x) => {
                let x = line_up(b, call, x, rank, batched)?;
                Operand::Value(x.at)
            }
            Value::Known(constant) => {
                // Numbers have no axes, so some other operand must have all of them.
                match constant.scalar().filter(|_| live_rank == rank) {
                    Some(number) => b.number(call, number)?,
                    None => {
                        let own = stripped(constant, rank, live_rank, batched)?;
                        Operand::Value(b.param(call, name, constant, &own)?.at)
                    }
                }
            }
        });
    }
    Ok(Aligned { operands, batched, dims })
}

/// A value beside others of `rank` axes of ONNX, some of which have the free batch axis.
fn line_up(b: &mut Builder<'_>, call: &Call<'_>, x: &Live, rank: usize, batched: bool) -> Lowered<Live> {
    match (x.batched, batched) {
        // Its batch axis would stand against another axis.
        (true, _) if x.rank() != rank => Err(Fail::Mixes),
        (false, true) if x.rank() == rank => match x.dims.split_first() {
            Some((1, rest)) => b.reshape(call, x, rest),
            _ => Err(Fail::Mixes),
        },
        _ => Ok(x.clone()),
    }
}

/// A constant's axes without leading ones that change nothing.
fn stripped(constant: &Constant, rank: usize, live_rank: usize, batched: bool) -> Lowered<Vec<u64>> {
    let mut dims = constant.dims();
    if batched && dims.len() == rank {
        match dims.split_first() {
            Some((1, rest)) => dims = rest,
            _ => return Err(Fail::Mixes),
        }
    }
    while let Some((1, rest)) = dims.split_first()
        && live_rank == rank
    {
        dims = rest;
    }
    Ok(dims.to_vec())
}

/// A node's inputs with their names.
fn operands(call: &Call<'_>) -> Lowered<Vec<(Value, String)>> {
    let mut values = Vec::with_capacity(call.inputs.len());
    for index in 0..call.inputs.len().max(1) {
        let name = call.node.inputs.get(index).cloned().unwrap_or_default();
        values.push((call.must(index)?.clone(), name));
    }
    Ok(values)
}

/// All known operands would be folded; one of them must be a value of the draft.
fn with_a_value(b: &mut Builder<'_>, call: &Call<'_>, values: &mut [(Value, String)]) -> Lowered<()> {
    if values.iter().any(|(v, _)| matches!(v, Value::Live(_))) {
        return Ok(());
    }
    if let Some((first, name)) = values.first_mut()
        && let Value::Known(constant) = first.clone()
    {
        *first = Value::Live(b.param(call, name, &constant, constant.dims())?);
    }
    Ok(())
}

/// Operands joined two by two with an operator.
fn chain(b: &mut Builder<'_>, call: &Call<'_>, sign: char, values: &[(Value, String)]) -> Lowered<Live> {
    let mut values = values.iter().cloned();
    let Some(mut result) = values.next() else { return Err(call.invalid("it has no operands").into()) };
    for next in values {
        let pair = [result, next];
        let aligned = align(b, call, &pair)?;
        let [x, y] = aligned.operands.as_slice() else {
            return Err(call.invalid("it has no operands").into());
        };
        let y = b.operator(call, sign, *x, *y, (aligned.batched, aligned.dims))?;
        result = (Value::Live(y), String::new());
    }
    match result.0 {
        Value::Live(x) => Ok(x),
        Value::Known(_) => b.live(call, 0),
    }
}

/// Two values joined with an operator, with broadcasting; for other operators' use.
pub fn combine(b: &mut Builder<'_>, call: &Call<'_>, x: Value, sign: char, y: Value) -> Lowered<Live> {
    chain(b, call, sign, &[(x, String::new()), (y, String::new())])
}

/// Add, Sub, Mul, Div.
pub fn arithmetic(b: &mut Builder<'_>, call: &Call<'_>) -> Lowered<Live> {
    let mut values = operands(call)?;
    with_a_value(b, call, &mut values)?;
    if values.len() != 2 {
        return Err(call.invalid(format!("it has {} operands", values.len())).into());
    }
    let sign = match call.node.op.as_str() {
        "Add" => '+',
        "Sub" => '-',
        "Mul" => '*',
        _ => '/',
    };
    if sign == '+'
        && let Some(y) = as_bias(b, call, &values)?
    {
        return Ok(y);
    }
    chain(b, call, sign, &values)
}

/// Gives the layer whose result is added to a constant that constant as its bias.
fn as_bias(b: &mut Builder<'_>, call: &Call<'_>, values: &[(Value, String)]) -> Lowered<Option<Live>> {
    let found = match values {
        [(Value::Live(x), of), (Value::Known(c), bias)] | [(Value::Known(c), bias), (Value::Live(x), of)] => {
            Some((x, of, c, bias))
        }
        _ => None,
    };
    let Some((x, of, constant, bias)) = found else { return Ok(None) };
    let Ref::Line(at) = x.at else { return Ok(None) };
    let Some(open) = b.biasless.get(&at) else { return Ok(None) };
    // Only where nothing else sees the result without the bias.
    if open.output != *of || b.uses.get(of.as_str()) != Some(&1) {
        return Ok(None);
    }
    let place = |dims: &[u64]| dims.len().checked_sub(open.after + 1);
    let (Some(own), Some(given)) = (place(&x.dims), place(constant.dims())) else { return Ok(None) };
    let (Some(&out), Some(&along)) = (x.dims.get(own), constant.dims().get(given)) else { return Ok(None) };
    let others = constant.dims().iter().enumerate().all(|(i, &d)| i == given || d == 1);
    if along != out || !others || constant.dims().len() > x.rank() {
        return Ok(None);
    }
    let layer = open.layer;
    let tensor = b.tensor(call, constant, &[out])?;
    b.biasless.remove(&at);
    if let Some(line) = b.draft.lines.get_mut(layer as usize)
        && let What::Layer { settings, .. } = &mut line.what
    {
        settings.retain(|(name, _)| *name != "bias");
        line.weights.push(("bias", tensor));
        let named = names::of_weight(bias);
        if line.name.is_empty() && !named.is_empty() {
            line.name = named;
        }
    }
    Ok(Some(x.clone()))
}

/// Sum and Mean of any number of values.
pub fn sum(b: &mut Builder<'_>, call: &Call<'_>) -> Lowered<Live> {
    let mut values = operands(call)?;
    with_a_value(b, call, &mut values)?;
    let sum = chain(b, call, '+', &values)?;
    match values.len() {
        n if n > 1 && call.node.op == "Mean" => b.with_number(call, &sum, '/', n as f32),
        _ => Ok(sum),
    }
}

/// Max and Min of any number of values.
pub fn extreme(b: &mut Builder<'_>, call: &Call<'_>) -> Lowered<Live> {
    let mut values = operands(call)?;
    with_a_value(b, call, &mut values)?;
    let aligned = align(b, call, &values)?;
    if values.len() == 1 {
        return b.live(call, 0);
    }
    let function = if call.node.op == "Max" { "max" } else { "min" };
    b.function(call, function, aligned.operands, Settings::default(), (aligned.batched, aligned.dims))
}

/// Pow.
pub fn pow(b: &mut Builder<'_>, call: &Call<'_>) -> Lowered<Live> {
    let mut values = operands(call)?;
    with_a_value(b, call, &mut values)?;
    if values.len() != 2 {
        return Err(call.invalid(format!("it has {} operands", values.len())).into());
    }
    if let [(Value::Live(x), _), (Value::Known(exponent), _)] = values.as_slice()
        && exponent.scalar() == Some(2.0)
        && exponent.dims().len() <= x.rank()
    {
        // The same number: a square is rounded once either way.
        return b.with_value(call, x, '*', x);
    }
    let aligned = align(b, call, &values)?;
    b.function(call, "pow", aligned.operands, Settings::default(), (aligned.batched, aligned.dims))
}

/// A bound of a clip, which may be a value.
pub fn bounded(
    b: &mut Builder<'_>,
    call: &Call<'_>,
    x: &Live,
    function: &'static str,
    bound: Value,
) -> Lowered<Live> {
    let values = [(Value::Live(x.clone()), String::new()), (bound, String::new())];
    let aligned = align(b, call, &values)?;
    b.function(call, function, aligned.operands, Settings::default(), (aligned.batched, aligned.dims))
}

/// A scalar as a known value.
pub fn scalar(b: &mut Builder<'_>, call: &Call<'_>, number: f32) -> Lowered<Value> {
    let constant: Arc<Constant> = b.made(call, Constant::floats(&[], vec![number]))?;
    Ok(Value::Known(constant))
}
