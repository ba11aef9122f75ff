//! Activations and arithmetic.

use super::ExportError;
use super::contraction::aligned;
use super::writer::{Writer, float, word};
use crate::graph::{BinaryOp, Node, UnaryOp, Value};

pub(super) fn unary(
    writer: &mut Writer<'_>,
    value: Value,
    node: &Node,
    op: UnaryOp,
) -> Result<(), ExportError> {
    let mut args = writer.args(node)?;
    let (name, attributes) = match op {
        UnaryOp::Neg => ("Neg", vec![]),
        UnaryOp::Abs => ("Abs", vec![]),
        UnaryOp::Sign => ("Sign", vec![]),
        UnaryOp::Sqrt => ("Sqrt", vec![]),
        UnaryOp::Exp => ("Exp", vec![]),
        UnaryOp::Log => ("Log", vec![]),
        UnaryOp::Reciprocal => ("Reciprocal", vec![]),
        UnaryOp::Erf => ("Erf", vec![]),
        UnaryOp::Relu => ("Relu", vec![]),
        UnaryOp::Clamp { lo, hi } => {
            for (bound, which) in [(lo, "min"), (hi, "max")] {
                let wanted = format!("{}.{which}", node.name);
                args.push(if bound.is_finite() { writer.number(&wanted, bound) } else { String::new() });
            }
            ("Clip", vec![])
        }
        UnaryOp::LeakyRelu { slope } => ("LeakyRelu", vec![float("alpha", slope)]),
        UnaryOp::Elu { alpha } => ("Elu", vec![float("alpha", alpha)]),
        UnaryOp::Selu { alpha, gamma } => ("Selu", vec![float("alpha", alpha), float("gamma", gamma)]),
        UnaryOp::Celu { alpha } => ("Celu", vec![float("alpha", alpha)]),
        UnaryOp::Gelu => ("Gelu", vec![]),
        UnaryOp::GeluTanh => ("Gelu", vec![word("approximate", "tanh")]),
        UnaryOp::Silu => {
            args.push(writer.step("Sigmoid", args.clone(), &format!("{}.sigmoid", node.name)));
            ("Mul", vec![])
        }
        UnaryOp::Sigmoid => ("Sigmoid", vec![]),
        UnaryOp::Tanh => ("Tanh", vec![]),
        UnaryOp::Softplus => ("Softplus", vec![]),
        UnaryOp::Softsign => ("Softsign", vec![]),
        UnaryOp::Mish => ("Mish", vec![]),
        UnaryOp::HardSigmoid { alpha, beta } => {
            ("HardSigmoid", vec![float("alpha", alpha), float("beta", beta)])
        }
        UnaryOp::HardSwish => ("HardSwish", vec![]),
        UnaryOp::ThresholdedRelu { alpha } => ("ThresholdedRelu", vec![float("alpha", alpha)]),
    };
    writer.make(name, args, value, node).all(attributes);
    Ok(())
}

pub(super) fn binary(
    writer: &mut Writer<'_>,
    value: Value,
    node: &Node,
    op: BinaryOp,
) -> Result<(), ExportError> {
    let args = aligned(writer, node)?;
    let name = match op {
        BinaryOp::Add => "Add",
        BinaryOp::Sub => "Sub",
        BinaryOp::Mul => "Mul",
        BinaryOp::Div => "Div",
        BinaryOp::Pow => "Pow",
        BinaryOp::Min => "Min",
        BinaryOp::Max => "Max",
    };
    writer.make(name, args, value, node);
    Ok(())
}

pub(super) fn prelu(writer: &mut Writer<'_>, value: Value, node: &Node) -> Result<(), ExportError> {
    let x = writer.name(node.args[0])?;
    let slope = per_channel(writer, node.args[1], writer.ty(node.args[0]).dims.len())?;
    writer.make("PRelu", vec![x, slope], value, node);
    Ok(())
}

/// A value of one number for each channel, with the axes that broadcast it over a value of so many axes.
pub(super) fn per_channel(writer: &mut Writer<'_>, arg: Value, rank: usize) -> Result<String, ExportError> {
    let name = writer.name(arg)?;
    let n = writer.ty(arg).elements() as i64;
    if rank < 3 || n == 1 {
        return Ok(name);
    }
    let wanted = format!("{name}.chw");
    Ok(writer.reshaped(name, &[n, 1, 1], &wanted))
}
