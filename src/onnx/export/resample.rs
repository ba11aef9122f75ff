//! Resampling.

use super::ExportError;
use super::writer::{Writer, float, int, ints, word};
use crate::graph::{Coordinates, Nearest, Node, Resize, ResizeMode, Value};

pub(super) fn resize(
    writer: &mut Writer<'_>,
    value: Value,
    node: &Node,
    resize: &Resize,
) -> Result<(), ExportError> {
    let x = writer.spatial(node.args[0])?;
    let (Some([_, h, w]), Some([_, oh, ow])) = (writer.ty(node.args[0]).chw(), node.ty.chw()) else {
        return Err(ExportError::Bug("a resize of a value without rows and columns"));
    };
    let mut attributes = Vec::new();
    let coordinates = match resize.coordinates {
        Coordinates::HalfPixel => "half_pixel",
        Coordinates::HalfPixelSymmetric => "half_pixel_symmetric",
        Coordinates::PytorchHalfPixel => "pytorch_half_pixel",
        Coordinates::Asymmetric => "asymmetric",
        Coordinates::AlignCorners => "align_corners",
        Coordinates::TfCropAndResize { extrapolation, .. } => {
            attributes.push(float("extrapolation_value", extrapolation));
            "tf_crop_and_resize"
        }
        Coordinates::TfHalfPixelForNn => {
            let why = "ONNX gave up `tf_half_pixel_for_nn` with opset 13".to_owned();
            return Err(ExportError::Unsupported { name: node.name.clone(), why });
        }
    };
    attributes.push(word("coordinate_transformation_mode", coordinates));
    match resize.mode {
        ResizeMode::Nearest(nearest) => {
            attributes.push(word("mode", "nearest"));
            let rounding = match nearest {
                Nearest::Floor => "floor",
                Nearest::Ceil => "ceil",
                Nearest::RoundPreferFloor => "round_prefer_floor",
                Nearest::RoundPreferCeil => "round_prefer_ceil",
            };
            attributes.push(word("nearest_mode", rounding));
        }
        ResizeMode::Linear => attributes.push(word("mode", "linear")),
        ResizeMode::Cubic { a } => {
            attributes.push(word("mode", "cubic"));
            attributes.push(float("cubic_coeff_a", a));
        }
    }
    for (name, set) in [("exclude_outside", resize.exclude_outside), ("antialias", resize.antialias)] {
        if set {
            attributes.push(int(name, 1));
        }
    }
    // Only the rows and columns are named: the batch is free.
    attributes.push(ints("axes", [2, 3]));
    let roi = match resize.coordinates {
        Coordinates::TfCropAndResize { roi: [[y0, y1], [x0, x1]], .. } => {
            writer.numbers(&format!("{}.roi", node.name), &[4], &[y0, x0, y1, x1])
        }
        _ => String::new(),
    };
    let mut inputs = vec![x, roi];
    let quotient = [oh as f64 / h as f64, ow as f64 / w as f64];
    let scale = resize.scale.map(|s| s as f32);
    let rounds_to = |n: u64, m: u64, s: f32| (n as f32 * s).floor() as u64 == m;
    if resize.scale != quotient && rounds_to(h, oh, scale[0]) && rounds_to(w, ow, scale[1]) {
        // The factor is not the quotient of the sizes, and counts.
        inputs.push(writer.numbers(&format!("{}.scales", node.name), &[2], &scale));
    } else {
        inputs.push(String::new());
        inputs.push(writer.wholes(&format!("{}.sizes", node.name), &[oh as i64, ow as i64]));
    }
    writer.make_spatial("Resize", inputs, value, node, attributes);
    Ok(())
}
