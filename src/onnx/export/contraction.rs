//! Convolutions, linear layers, matrix products.

use super::ExportError;
use super::movement::padded;
use super::writer::{Writer, int, ints};
use crate::graph::{Border, Conv, ConvTranspose, Node, PadMode, Pads, Value, Window};
use crate::onnx::proto::AttributeProto;

/// The settings of a window; `pads` are top, left, bottom, right.
pub(super) fn window_of(window: &Window, pad: Pads) -> Vec<AttributeProto> {
    vec![
        ints("kernel_shape", window.kernel),
        ints("strides", window.stride),
        ints("dilations", window.dilation),
        ints("pads", [pad.top, pad.left, pad.bottom, pad.right]),
    ]
}

/// The first argument as `[N, C, H, W]` with its border, and the padding that is left to the operator.
fn bordered(
    writer: &mut Writer<'_>,
    node: &Node,
    window: &Window,
    border: Border,
) -> Result<(String, Pads), ExportError> {
    let x = writer.spatial(node.args[0])?;
    let mode = match border {
        Border::Zero => return Ok((x, window.pad)),
        Border::Replicate => PadMode::Replicate,
        Border::Reflect => PadMode::Reflect,
        Border::Wrap => PadMode::Wrap,
    };
    let Pads { top, bottom, left, right } = window.pad;
    let x = padded(writer, x, [&[0, 0, top, left], &[0, 0, bottom, right]], mode, &node.name);
    Ok((x, Pads::default()))
}

pub(super) fn conv(
    writer: &mut Writer<'_>,
    value: Value,
    node: &Node,
    conv: &Conv,
) -> Result<(), ExportError> {
    let (x, pad) = bordered(writer, node, &conv.window, conv.border)?;
    let mut inputs = writer.args(node)?;
    inputs[0] = x;
    let mut attributes = window_of(&conv.window, pad);
    attributes.push(int("group", conv.groups as i64));
    writer.make_spatial("Conv", inputs, value, node, attributes);
    Ok(())
}

/// A filter is a depthwise convolution whose channels share their taps.
pub(super) fn filter(
    writer: &mut Writer<'_>,
    value: Value,
    node: &Node,
    window: &Window,
    border: Border,
) -> Result<(), ExportError> {
    let (x, pad) = bordered(writer, node, window, border)?;
    let channels = writer.ty(node.args[0]).chw().map_or(1, |[c, ..]| c);
    let [kh, kw] = window.kernel;
    let wanted = format!("{}.taps", node.name);
    let taps = match writer.constant(node.args[1]) {
        Some(taps) => {
            let all: Vec<f32> = (0..channels).flat_map(|_| taps.iter().copied()).collect();
            writer.numbers(&wanted, &[channels, 1, kh, kw], &all)
        }
        None => {
            let taps = writer.name(node.args[1])?;
            let shape =
                writer.wholes(&format!("{wanted}.shape"), &[channels as i64, 1, kh as i64, kw as i64]);
            writer.step("Expand", vec![taps, shape], &wanted)
        }
    };
    let mut attributes = window_of(window, pad);
    attributes.push(int("group", channels as i64));
    writer.make_spatial("Conv", vec![x, taps], value, node, attributes);
    Ok(())
}

pub(super) fn conv_transpose(
    writer: &mut Writer<'_>,
    value: Value,
    node: &Node,
    conv: &ConvTranspose,
) -> Result<(), ExportError> {
    let mut inputs = writer.args(node)?;
    inputs[0] = writer.spatial(node.args[0])?;
    let mut attributes = window_of(&conv.window, conv.window.pad);
    attributes.push(int("group", conv.groups as i64));
    attributes.push(ints("output_padding", conv.output_pad));
    writer.make_spatial("ConvTranspose", inputs, value, node, attributes);
    Ok(())
}

pub(super) fn linear(writer: &mut Writer<'_>, value: Value, node: &Node) -> Result<(), ExportError> {
    let args = writer.args(node)?;
    let ty = writer.ty(node.args[0]);
    if ty.dims.len() + usize::from(ty.batched) == 2 {
        writer.make("Gemm", args, value, node).with(int("transB", 1));
        return Ok(());
    }
    let mut args = args.into_iter();
    let (Some(x), Some(w), bias) = (args.next(), args.next(), args.next()) else {
        return Err(ExportError::Bug("a linear layer without a weight"));
    };
    let turned = writer.fresh(&format!("{}.weight_t", node.name));
    writer.node("Transpose", vec![w], turned.clone()).with(ints("perm", [1, 0]));
    match bias {
        None => {
            writer.make("MatMul", vec![x, turned], value, node);
        }
        Some(bias) => {
            let product = writer.step("MatMul", vec![x, turned], &format!("{}.product", node.name));
            writer.make("Add", vec![product, bias], value, node);
        }
    }
    Ok(())
}

pub(super) fn matmul(writer: &mut Writer<'_>, value: Value, node: &Node) -> Result<(), ExportError> {
    let args = aligned(writer, node)?;
    writer.make("MatMul", args, value, node);
    Ok(())
}

/// The arguments of an operation that broadcasts: where two have a batch axis and one has fewer axes
/// behind it, axes of 1 are put between, for ONNX aligns from the last axis.
pub(super) fn aligned(writer: &mut Writer<'_>, node: &Node) -> Result<Vec<String>, ExportError> {
    let most = node.args.iter().map(|&a| writer.ty(a)).filter(|t| t.batched).map(|t| t.dims.len()).max();
    let mut names = Vec::new();
    for &arg in &node.args {
        let name = writer.name(arg)?;
        let ty = writer.ty(arg);
        names.push(match most {
            Some(most) if ty.batched && ty.dims.len() < most => {
                let mut dims = vec![-1];
                dims.resize(1 + most - ty.dims.len(), 1);
                dims.extend(ty.dims.iter().map(|&d| d as i64));
                let wanted = format!("{name}.aligned");
                writer.reshaped(name, &dims, &wanted)
            }
            _ => name,
        });
    }
    Ok(names)
}
