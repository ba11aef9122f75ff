//! Normalisations.

use super::ExportError;
use super::elementwise::per_channel;
use super::writer::{Writer, float, int, shape_of};
use crate::graph::{Node, Value};

pub(super) fn batchnorm(
    writer: &mut Writer<'_>,
    value: Value,
    node: &Node,
    eps: f32,
) -> Result<(), ExportError> {
    let x = node.args[0];
    let ty = writer.ty(x);
    // ONNX's channels are axis 1.
    if ty.chw().is_some() {
        let mut inputs = writer.args(node)?;
        inputs[0] = writer.spatial(x)?;
        writer.make_spatial("BatchNormalization", inputs, value, node, vec![float("epsilon", eps)]);
        return Ok(());
    }
    let args = writer.args(node)?;
    if ty.batched && ty.dims.len() == 1 {
        writer.make("BatchNormalization", args, value, node).with(float("epsilon", eps));
        return Ok(());
    }
    let [x, scale, shift, mean, variance] =
        <[String; 5]>::try_from(args).map_err(|_| ExportError::Bug("a batchnorm with other arguments"))?;
    let name = &node.name;
    let eps = writer.number(&format!("{name}.eps"), eps);
    let sum = writer.step("Add", vec![variance, eps], &format!("{name}.variance"));
    let deviation = writer.step("Sqrt", vec![sum], &format!("{name}.deviation"));
    let factor = writer.step("Div", vec![scale, deviation], &format!("{name}.factor"));
    let centred = writer.step("Sub", vec![x, mean], &format!("{name}.centred"));
    let scaled = writer.step("Mul", vec![centred, factor], &format!("{name}.scaled"));
    writer.make("Add", vec![scaled, shift], value, node);
    Ok(())
}

/// ONNX's `GroupNormalization` had two meanings; an instance norm over reshaped groups has one.
pub(super) fn group_norm(
    writer: &mut Writer<'_>,
    value: Value,
    node: &Node,
    groups: u64,
    eps: f32,
) -> Result<(), ExportError> {
    let x = node.args[0];
    let ty = writer.ty(x);
    let rank = ty.dims.len();
    let inner: u64 = ty.dims.iter().rev().take(if rank >= 3 { 3 } else { 1 }).product();
    let name = node.name.clone();
    let in_groups = {
        let x = writer.name(x)?;
        let dims = [-1, groups as i64, (inner / groups.max(1)) as i64];
        writer.reshaped(x, &dims, &format!("{name}.groups"))
    };
    let ones = writer.numbers(&format!("{name}.ones"), &[groups], &vec![1.0; groups as usize]);
    let zeros = writer.numbers(&format!("{name}.zeros"), &[groups], &vec![0.0; groups as usize]);
    let normal = writer.fresh(&format!("{name}.normal"));
    writer
        .node("InstanceNormalization", vec![in_groups, ones, zeros], normal.clone())
        .with(float("epsilon", eps));
    let shape = writer.wholes(&format!("{name}.shape"), &shape_of(&node.ty));
    if node.args.len() < 3 {
        writer.make("Reshape", vec![normal, shape], value, node);
        return Ok(());
    }
    let back = writer.step("Reshape", vec![normal, shape], &format!("{name}.back"));
    let scale = per_channel(writer, node.args[1], rank)?;
    let shift = per_channel(writer, node.args[2], rank)?;
    let scaled = writer.step("Mul", vec![back, scale], &format!("{name}.scaled"));
    writer.make("Add", vec![scaled, shift], value, node);
    Ok(())
}

pub(super) fn layer_norm(
    writer: &mut Writer<'_>,
    value: Value,
    node: &Node,
    axes: usize,
    eps: f32,
) -> Result<(), ExportError> {
    let mut inputs = writer.args(node)?;
    if inputs.len() == 1 {
        let dims = &node.ty.dims[node.ty.dims.len().saturating_sub(axes)..];
        let len = dims.iter().product::<u64>() as usize;
        inputs.push(writer.numbers(&format!("{}.ones", node.name), dims, &vec![1.0; len]));
    }
    let attributes = vec![int("axis", -(axes as i64)), float("epsilon", eps)];
    writer.make("LayerNormalization", inputs, value, node).all(attributes);
    Ok(())
}

pub(super) fn lrn(
    writer: &mut Writer<'_>,
    value: Value,
    node: &Node,
    size: u64,
    [alpha, beta, k]: [f32; 3],
) -> Result<(), ExportError> {
    let x = writer.spatial(node.args[0])?;
    let attributes =
        vec![int("size", size as i64), float("alpha", alpha), float("beta", beta), float("bias", k)];
    writer.make_spatial("LRN", vec![x], value, node, attributes);
    Ok(())
}
