//! What an operation is, the formula of its output's size with the numbers put in, and what about it
//! is legal but easily overlooked.

use crate::cli::report::{plural, shape};
use crate::graph::print::op_name;
use crate::graph::shape::{Along, Axis, TransposedAlong};
use crate::graph::{
    Border, Graph, Node, Op, PadMode, Pads, ResizeMode, Window,
};

/// The operation in a few words: `conv 5×5, stride 2, pad 1`.
pub(super) fn describe(op: &Op) -> String {
    let name = op_name(op);
    match op {
        Op::Conv(conv) => {
            let groups = if conv.groups == 1 { String::new() } else { format!(", {} groups", conv.groups) };
            format!("{name} {}{groups}{}", window(&conv.window), border(conv.border))
        }
        Op::Filter(w, b) => format!("{name} {}{}", window(w), border(*b)),
        Op::ConvTranspose(conv) => format!("{name} {}", window(&conv.window)),
        Op::Pool(pool) => format!("{name} {}", window(&pool.window)),
        Op::Pad { mode, .. } => match mode {
            PadMode::Constant(_) => name.to_owned(),
            PadMode::Replicate => format!("{name}, border replicate"),
            PadMode::Reflect => format!("{name}, border reflect"),
            PadMode::Wrap => format!("{name}, border wrap"),
        },
        Op::Resize(resize) => match resize.mode {
            ResizeMode::Nearest(_) => "upsample, nearest",
            ResizeMode::Linear => "upsample, linear",
            ResizeMode::Cubic { .. } => "upsample, cubic",
        }
        .to_owned(),
        Op::PixelShuffle { factor } => format!("{name} {factor}"),
        Op::Transpose { perm } => format!("{name} {}", shape(perm)),
        _ => name.to_owned(),
    }
}

fn pair([h, w]: [u64; 2]) -> String {
    if h == w { h.to_string() } else { format!("({h}, {w})") }
}

fn window(w: &Window) -> String {
    let mut text = format!("{}×{}", w.kernel[0], w.kernel[1]);
    if w.stride != [1, 1] {
        text += &format!(", stride {}", pair(w.stride));
    }
    if w.dilation != [1, 1] {
        text += &format!(", dilation {}", pair(w.dilation));
    }
    match w.pad {
        Pads { top: 0, bottom: 0, left: 0, right: 0 } => {}
        Pads { top, bottom, left, right } if top == bottom && left == right => {
            text += &format!(", pad {}", pair([top, left]));
        }
        Pads { top, bottom, left, right } => {
            text += &format!(", pad (({top}, {bottom}), ({left}, {right}))");
        }
    }
    text
}

fn border(border: Border) -> &'static str {
    match border {
        Border::Zero => "",
        Border::Replicate => ", border replicate",
        Border::Reflect => ", border reflect",
        Border::Wrap => ", border wrap",
    }
}

/// How the output's sizes come about, a line each.
pub(super) fn formulas(graph: &Graph, node: &Node) -> Vec<String> {
    let Some(input) = node.args.first().map(|&v| graph.ty(v)) else { return Vec::new() };
    match &node.op {
        Op::Conv(conv) => merged(alongs(graph, node, &conv.window).map(|(a, ceil)| a.formula(ceil))),
        Op::Filter(window, _) => merged(alongs(graph, node, window).map(|(a, ceil)| a.formula(ceil))),
        Op::Pool(pool) => merged(alongs(graph, node, &pool.window).map(|(a, ceil)| a.formula(ceil))),
        Op::ConvTranspose(conv) => {
            let Some([_, h, w]) = input.chw() else { return Vec::new() };
            let along = |axis: Axis| {
                let i = axis.index();
                let window = &conv.window;
                TransposedAlong {
                    axis,
                    n: [h, w][i],
                    kernel: window.kernel[i],
                    stride: window.stride[i],
                    dilation: window.dilation[i],
                    before: window.pad.before(i),
                    after: window.pad.after(i),
                    output_pad: conv.output_pad[i],
                }
                .formula()
            };
            merged(Axis::BOTH.into_iter().map(along))
        }
        Op::Linear => match (input.dims.last(), node.ty.dims.last()) {
            (Some(i), Some(o)) => vec![format!("{o} sums of {i} products each")],
            _ => Vec::new(),
        },
        Op::Reshape => vec![format!("{} -> {}: the same {} elements", input, node.ty, node.ty.elements())],
        Op::Concat { axis } => {
            let parts: Vec<String> =
                node.args.iter().filter_map(|&a| graph.ty(a).dims.get(*axis)).map(u64::to_string).collect();
            let total = node.ty.dims.get(*axis).copied().unwrap_or(0);
            vec![format!("axis {axis}: {} = {total}", parts.join(" + "))]
        }
        Op::PixelShuffle { factor } => vec![format!(
            "[C, H, W] -> [C/{factor}², H·{factor}, W·{factor}]: {} -> {}",
            input, node.ty
        )],
        Op::Resize(_) | Op::Slice { .. } | Op::Pad { .. } | Op::Transpose { .. } => {
            vec![format!("{} -> {}", input, node.ty)]
        }
        _ => Vec::new(),
    }
}

/// The window along both axes, and whether the output's size was rounded up.
fn alongs<'a>(
    graph: &'a Graph,
    node: &'a Node,
    window: &'a Window,
) -> impl Iterator<Item = (Along, bool)> + 'a {
    let input = node.args.first().and_then(|&v| graph.ty(v).chw());
    let output = node.ty.chw();
    input.zip(output).into_iter().flat_map(move |([_, h, w], [_, out_h, out_w])| {
        Axis::BOTH.into_iter().map(move |axis| {
            let i = axis.index();
            let along = Along {
                axis,
                n: [h, w][i],
                kernel: window.kernel[i],
                stride: window.stride[i],
                dilation: window.dilation[i],
                before: window.pad.before(i),
                after: window.pad.after(i),
            };
            let ceil = along.output().is_ok_and(|floor| floor != [out_h, out_w][i]);
            (along, ceil)
        })
    })
}

/// The lines for height and width, made one where they say the same.
fn merged(lines: impl Iterator<Item = String>) -> Vec<String> {
    let lines: Vec<String> = lines.collect();
    let bare = |line: &String| line.split_once(": ").map(|(_, rest)| rest.to_owned());
    match lines.as_slice() {
        [height, width] if bare(height) == bare(width) => {
            vec![format!("height, width: {}", bare(height).unwrap_or_default())]
        }
        _ => lines,
    }
}

/// Strides that skip pixels, and rows that rounding down drops.
pub(super) fn remarks(graph: &Graph, node: &Node) -> Vec<String> {
    let window = match &node.op {
        Op::Conv(conv) => &conv.window,
        Op::Filter(window, _) => window,
        Op::Pool(pool) => &pool.window,
        _ => return Vec::new(),
    };
    let mut remarks = Vec::new();
    for (along, ceil) in alongs(graph, node, window) {
        let Ok(effective) = along.effective() else { continue };
        let unit = along.axis.unit();
        if along.stride > effective {
            let skipped = along.stride - effective;
            remarks.push(format!(
                "{}: the stride of {} skips {skipped} of every {} {unit}",
                along.axis.name(),
                along.stride,
                along.stride
            ));
        }
        let padded = along.n.saturating_add(along.before).saturating_add(along.after);
        let rest = padded.saturating_sub(effective) % along.stride;
        let dropped = rest.saturating_sub(along.after);
        // What a stride skips anyway is no loss of its own.
        if !ceil && dropped > 0 && along.stride <= effective {
            let dropped = plural(dropped as usize, unit.trim_end_matches('s'));
            remarks.push(format!("{}: floor drops the last {dropped} of the input", along.axis.name()));
        }
    }
    remarks
}
