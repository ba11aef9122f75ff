//! Matrix products.

use std::sync::Arc;

use super::super::call::{Call, Live, Value};
use super::super::draft::Operand;
use super::super::tensor::Constant;
use super::builder::{Builder, Fail, Lowered};
use super::conv::line_name;
use super::elementwise::{combine, scalar};
use super::settings::Settings;

/// A matrix `[in, out]`, or `[out, in]` where `transposed`, times a factor, as a weight `[out, in]`.
fn weight(
    b: &mut Builder<'_>,
    call: &Call<'_>,
    matrix: &Arc<Constant>,
    (transposed, factor): (bool, f32),
) -> Lowered<Arc<Constant>> {
    let &[rows, columns] = matrix.dims() else {
        return Err(call.invalid(format!("its matrix has the shape {:?}", matrix.dims())).into());
    };
    if transposed && factor == 1.0 {
        return Ok(matrix.clone());
    }
    let mut made = if transposed {
        Some((**matrix).clone())
    } else {
        let step = i64::try_from(columns).unwrap_or(i64::MAX);
        matrix.view(&[columns, rows], &[1, step], 0)
    };
    if factor != 1.0 {
        made = made.and_then(|m| {
            let scaled = m.to_floats().iter().map(|v| v * factor).collect();
            Constant::floats(m.dims(), scaled)
        });
    }
    b.made(call, made)
}

/// A `linear` of a value by a weight `[out, in]`; the value's axes but the last stay.
fn linear(
    b: &mut Builder<'_>,
    call: &Call<'_>,
    x: &Live,
    weight: &Constant,
    bias: Option<Vec<f32>>,
    name: String,
) -> Lowered<Live> {
    let &[out, taken] = weight.dims() else { return Err(call.invalid("its matrix has no two axes").into()) };
    if x.dims.last() != Some(&taken) {
        let found = x.dims.last().copied().unwrap_or(0);
        return Err(call.invalid(format!("it multiplies rows of {found} by columns of {taken}")).into());
    }
    let mut weights = vec![("weight", b.tensor(call, weight, &[out, taken])?)];
    let open = bias.is_none();
    let settings = Settings::default().whole("out", out).flag_unless("bias", !open, true);
    if let Some(bias) = bias {
        let bias = b.made(call, Constant::floats(&[out], bias))?;
        weights.push(("bias", b.tensor(call, &bias, &[out])?));
    }
    // The language takes pictures apart, so that rows must be rows.
    let rows: u64 = x.dims.iter().rev().skip(1).product();
    let flat = if x.dims.len() > 2 { b.reshape(call, x, &[rows, taken])? } else { x.clone() };
    let mut dims = flat.dims.clone();
    if let Some(last) = dims.last_mut() {
        *last = out;
    }
    let y = b.weighted(call, &flat, "linear", settings, dims, (name, weights))?;
    let mut dims = x.dims.clone();
    if let Some(last) = dims.last_mut() {
        *last = out;
    }
    let made = b.reshape(call, &y, &dims)?;
    if open {
        b.without_bias(call, &made, &y, 0);
    }
    Ok(made)
}

/// `Gemm`'s third operand as one number for each column, where it is.
fn column_bias(constant: &Constant, factor: f32, columns: u64) -> Option<Vec<f32>> {
    let data = constant.to_floats();
    let (last, before) = match constant.dims().split_last() {
        None => (1, [].as_slice()),
        Some((&last, before)) => (last, before),
    };
    if before.len() > 1 || before.iter().any(|&d| d != 1) {
        return None;
    }
    let scaled = data.iter().map(|v| v * factor);
    match last {
        n if n == columns => Some(scaled.collect()),
        1 => Some(scaled.cycle().take(usize::try_from(columns).ok()?).collect()),
        _ => None,
    }
}

/// Gemm: `alpha·A·B + beta·C`.
pub fn gemm(b: &mut Builder<'_>, call: &Call<'_>) -> Lowered<Live> {
    let a = b.live(call, 0)?;
    if a.rank() != 2 {
        return Err(call.invalid(format!("its first operand has {} axes instead of 2", a.rank())).into());
    }
    let (alpha, beta) = (call.float("alpha", 1.0)?, call.float("beta", 1.0)?);
    let (trans_a, trans_b) = (call.flag("transA")?, call.flag("transB")?);
    let a = match (trans_a, a.batched) {
        (true, true) => return Err(Fail::Mixes),
        (true, false) => b.permute(call, &a, &[1, 0])?,
        _ => a,
    };
    let third = call.input(2).cloned();
    let product = match call.must(1)?.clone() {
        Value::Known(matrix) => {
            let weight = weight(b, call, &matrix, (trans_b, alpha))?;
            let columns = weight.dims().first().copied().unwrap_or(0);
            let name = line_name(call, &[1, 2]);
            if let Some(Value::Known(c)) = &third
                && let Some(bias) = column_bias(c, beta, columns)
            {
                return linear(b, call, &a, &weight, Some(bias), name);
            }
            linear(b, call, &a, &weight, None, name)?
        }
        Value::Live(matrix) => {
            if matrix.rank() != 2 {
                let rank = matrix.rank();
                return Err(call.invalid(format!("its second operand has {rank} axes instead of 2")).into());
            }
            if matrix.batched {
                return Err(Fail::Mixes);
            }
            let matrix = if trans_b { b.permute(call, &matrix, &[1, 0])? } else { matrix };
            let product = multiply(b, call, &a, &matrix)?;
            if alpha == 1.0 { product } else { b.with_number(call, &product, '*', alpha)? }
        }
    };
    let Some(third) = third.filter(|_| beta != 0.0) else { return Ok(product) };
    let third = match third {
        third if beta == 1.0 => third,
        Value::Live(x) => Value::Live(b.with_number(call, &x, '*', beta)?),
        Value::Known(c) => {
            let scaled = c.to_floats().iter().map(|v| v * beta).collect();
            Value::Known(b.made(call, Constant::floats(c.dims(), scaled))?)
        }
    };
    combine(b, call, Value::Live(product), '+', third)
}

/// MatMul.
pub fn matmul(b: &mut Builder<'_>, call: &Call<'_>) -> Lowered<Live> {
    if let (Value::Live(x), Value::Known(matrix)) = (call.must(0)?, call.must(1)?)
        && matrix.dims().len() == 2
        && x.dims.last().is_some()
    {
        let (x, matrix) = (x.clone(), matrix.clone());
        let weight = weight(b, call, &matrix, (false, 1.0))?;
        return linear(b, call, &x, &weight, None, line_name(call, &[1]));
    }
    let (x, y) = (b.live(call, 0)?, b.live(call, 1)?);
    multiply(b, call, &x, &y)
}

/// The product of two values by numpy's rules, as the language's `matmul`.
fn multiply(b: &mut Builder<'_>, call: &Call<'_>, x: &Live, y: &Live) -> Lowered<Live> {
    let (row, column) = (x.rank() == 1, y.rank() == 1);
    if x.rank() == 0 || y.rank() == 0 {
        return Err(call.invalid("an operand has no axes").into());
    }
    if y.batched && y.rank() <= 2 || x.batched && x.rank() == 1 {
        return Err(Fail::Mixes);
    }
    // A matrix whose rows are the samples is one row in each of them.
    let sample_row = x.batched && x.rank() == 2;
    if sample_row && y.batched {
        return Err(Fail::Mixes);
    }
    if sample_row && y.rank() > 2 {
        return Err(Fail::Mixes);
    }
    let mut x = x.clone();
    if row || sample_row {
        let dims = [&[1], x.dims.as_slice()].concat();
        x = b.reshape(call, &x, &dims)?;
    }
    let mut y = y.clone();
    if column {
        let dims = [y.dims.as_slice(), &[1]].concat();
        y = b.reshape(call, &y, &dims)?;
    }
    let batched = x.batched || y.batched;
    if batched && !sample_row {
        let rank = x.rank().max(y.rank());
        for side in [&mut x, &mut y] {
            match (side.batched, side.rank() == rank) {
                (true, true) | (false, false) => {}
                (true, false) => return Err(Fail::Mixes),
                (false, true) => match side.dims.clone().split_first() {
                    Some((1, rest)) if rest.len() >= 2 => *side = b.reshape(call, side, rest)?,
                    _ => return Err(Fail::Mixes),
                },
            }
        }
    }
    let ([xs @ .., m, k], [ys @ .., l, n]) = (x.dims.as_slice(), y.dims.as_slice()) else {
        return Err(Fail::Mixes);
    };
    if k != l {
        return Err(call.invalid(format!("it multiplies rows of {k} by columns of {l}")).into());
    }
    let before = call.rule(super::super::shapes::broadcast(xs, ys))?;
    let dims = [before.as_slice(), &[*m, *n]].concat();
    let (rows, columns) = (*m, *n);
    let operands = vec![Operand::Value(x.at), Operand::Value(y.at)];
    let product = b.function(call, "matmul", operands, Settings::default(), (batched, dims))?;
    let mut dims = before;
    if !(row || sample_row) {
        dims.push(rows);
    }
    if !column {
        dims.push(columns);
    }
    b.reshape(call, &product, &dims)
}

/// A product with a number; exact where it is 1.
pub fn scaled(b: &mut Builder<'_>, call: &Call<'_>, x: Live, factor: f32) -> Lowered<Live> {
    if factor == 1.0 {
        return Ok(x);
    }
    let factor = scalar(b, call, factor)?;
    combine(b, call, Value::Live(x), '*', factor)
}
