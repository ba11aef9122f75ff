//! What moves or reduces elements.

use super::ExportError;
use super::writer::{Writer, int, ints, shape_of, word};
use crate::graph::{Node, PadMode, ReduceKind, Value};

/// An axis of a sample as ONNX counts it.
fn onnx_axis(writer: &Writer<'_>, node: &Node, axis: usize) -> usize {
    let batched = node.args.first().is_some_and(|&x| writer.ty(x).batched);
    axis + usize::from(batched)
}

/// An operator with one axis as its setting.
pub(super) fn along(
    writer: &mut Writer<'_>,
    value: Value,
    node: &Node,
    op: &str,
    axis: usize,
) -> Result<(), ExportError> {
    let args = writer.args(node)?;
    let axis = onnx_axis(writer, node, axis) as i64;
    writer.make(op, args, value, node).with(int("axis", axis));
    Ok(())
}

pub(super) fn reduce(
    writer: &mut Writer<'_>,
    value: Value,
    node: &Node,
    kind: ReduceKind,
    axes: &[usize],
) -> Result<(), ExportError> {
    let op = match kind {
        ReduceKind::Sum => "ReduceSum",
        ReduceKind::Mean => "ReduceMean",
        ReduceKind::Max => "ReduceMax",
    };
    let axes: Vec<i64> = axes.iter().map(|&axis| onnx_axis(writer, node, axis) as i64).collect();
    let mut args = writer.args(node)?;
    args.push(writer.wholes(&format!("{}.axes", node.name), &axes));
    writer.make(op, args, value, node).with(int("keepdims", 1));
    Ok(())
}

pub(super) fn slice(
    writer: &mut Writer<'_>,
    value: Value,
    node: &Node,
    start: &[u64],
    step: &[i64],
) -> Result<(), ExportError> {
    let sizes = &writer.ty(node.args[0]).dims;
    let mut lists: [Vec<i64>; 4] = Default::default();
    for (axis, ((&first, &step), (&len, &n))) in
        start.iter().zip(step).zip(node.ty.dims.iter().zip(sizes)).enumerate()
    {
        if (first, step, len) == (0, 1, n) {
            continue;
        }
        let end = first as i64 + len as i64 * step;
        // A negative end would count from the last element.
        let end = if end < 0 { i64::MIN } else { end };
        let row = [first as i64, end, onnx_axis(writer, node, axis) as i64, step];
        lists.iter_mut().zip(row).for_each(|(list, n)| list.push(n));
    }
    let mut args = writer.args(node)?;
    if lists[0].is_empty() {
        writer.make("Identity", args, value, node);
        return Ok(());
    }
    for (list, what) in lists.iter().zip(["starts", "ends", "axes", "steps"]) {
        args.push(writer.wholes(&format!("{}.{what}", node.name), list));
    }
    writer.make("Slice", args, value, node);
    Ok(())
}

/// The inputs and the mode of a `Pad`; `sides` are before and after each of ONNX's axes.
fn pad_inputs(
    writer: &mut Writer<'_>,
    x: String,
    sides: [&[u64]; 2],
    mode: PadMode,
    name: &str,
) -> (Vec<String>, &'static str) {
    let list: Vec<i64> = sides.concat().iter().map(|&n| n as i64).collect();
    let mut inputs = vec![x, writer.wholes(&format!("{name}.pads"), &list)];
    let word = match mode {
        PadMode::Constant(number) => {
            inputs.push(writer.number(&format!("{name}.value"), number));
            "constant"
        }
        PadMode::Replicate => "edge",
        PadMode::Reflect => "reflect",
        PadMode::Wrap => "wrap",
    };
    (inputs, word)
}

/// A padded value; gives its name.
pub(super) fn padded(
    writer: &mut Writer<'_>,
    x: String,
    sides: [&[u64]; 2],
    mode: PadMode,
    name: &str,
) -> String {
    let (inputs, mode) = pad_inputs(writer, x, sides, mode, name);
    let padded = writer.fresh(&format!("{name}.padded"));
    writer.node("Pad", inputs, padded.clone()).with(word("mode", mode));
    padded
}

pub(super) fn pad(
    writer: &mut Writer<'_>,
    value: Value,
    node: &Node,
    sides: [&Vec<u64>; 2],
    mode: PadMode,
) -> Result<(), ExportError> {
    let x = writer.name(node.args[0])?;
    let lead = usize::from(node.ty.batched);
    let [before, after] = sides.map(|side| [vec![0; lead], side.clone()].concat());
    let (inputs, mode) = pad_inputs(writer, x, [&before, &after], mode, &node.name);
    writer.make("Pad", inputs, value, node).with(word("mode", mode));
    Ok(())
}

pub(super) fn pixel_shuffle(
    writer: &mut Writer<'_>,
    value: Value,
    node: &Node,
    factor: u64,
) -> Result<(), ExportError> {
    let x = writer.spatial(node.args[0])?;
    let attributes = vec![int("blocksize", factor as i64), word("mode", "CRD")];
    writer.make_spatial("DepthToSpace", vec![x], value, node, attributes);
    Ok(())
}

pub(super) fn reshape(writer: &mut Writer<'_>, value: Value, node: &Node) -> Result<(), ExportError> {
    let x = writer.name(node.args[0])?;
    let shape = writer.wholes(&format!("{}.shape", node.name), &shape_of(&node.ty));
    writer.make("Reshape", vec![x, shape], value, node);
    Ok(())
}

pub(super) fn expand(writer: &mut Writer<'_>, value: Value, node: &Node) -> Result<(), ExportError> {
    let x = writer.name(node.args[0])?;
    let shape = writer.wholes(&format!("{}.shape", node.name), &shape_of(&node.ty));
    writer.make("Expand", vec![x, shape], value, node);
    Ok(())
}

pub(super) fn transpose(
    writer: &mut Writer<'_>,
    value: Value,
    node: &Node,
    perm: &[usize],
) -> Result<(), ExportError> {
    let args = writer.args(node)?;
    let lead = node.ty.batched.then_some(0);
    let shift = u64::from(node.ty.batched);
    let perm = lead.into_iter().chain(perm.iter().map(|&p| p as u64 + shift));
    writer.make("Transpose", args, value, node).with(ints("perm", perm));
    Ok(())
}
