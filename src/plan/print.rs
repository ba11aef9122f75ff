//! The plan as text: tasks in order with their buffers, sizes and reasons.

use std::fmt::Write as _;

use super::task::Tiles;
use super::{
    Buffer, BufferId, Fill, Halo, LayoutKind, Operand, Plan, Pointwise, PointwiseOp, Strips, Task, TaskKind,
};
use crate::kernels::step::Base;

/// Prints a plan, one line a task, then the memory it takes.
pub fn print(plan: &Plan) -> String {
    let mut text = format!("plan {}\n", plan.graph.name);
    for (title, tasks) in [("prepare", &plan.prepare), ("run", &plan.run)] {
        if !tasks.is_empty() {
            let _ = writeln!(text, "{title}:");
        }
        for (number, task) in tasks.iter().enumerate() {
            let strips = plan.strips.iter().find(|s| title == "run" && s.tasks.start == number);
            if let Some(Strips { tasks, count, reason, .. }) = strips {
                let _ = writeln!(text, "  {count} strips of {} tasks:", tasks.len());
                let _ = writeln!(text, "      # {reason}");
            }
            print_task(&mut text, plan, task);
        }
    }
    let bytes = |label: &str, n: u64| format!("{label} {n} bytes");
    let memory = [
        bytes("constants", plan.consts.len() as u64),
        bytes("packed weights", plan.packed_bytes),
        bytes("arena", plan.arena_bytes),
    ];
    let local = (plan.local_bytes > 0).then(|| bytes("of each thread", plan.local_bytes));
    let memory: Vec<String> = memory.into_iter().chain(local).collect();
    let _ = writeln!(text, "memory: {}", memory.join(", "));
    text
}

fn print_task(text: &mut String, plan: &Plan, task: &Task) {
    let out = buffer(plan, task.out);
    let _ = writeln!(text, "  {}: {out} = {} {}", task.name, task.kind.word(), details(plan, &task.kind));
    let _ = writeln!(text, "      # {}", task.reason);
}

/// `b3 arena+4096 blocked [1, 64, 56, 56] halo 1 of zeros`
fn buffer(plan: &Plan, id: BufferId) -> String {
    let Buffer { dims: [lead, c, h, w], layout, base, offset, .. } = plan.buffer(id);
    let base = match base {
        Base::Consts => "consts".to_owned(),
        Base::Packed => "packed".to_owned(),
        Base::Arena => "arena".to_owned(),
        Base::Local => "local".to_owned(),
        Base::Input(i) => format!("input{i}"),
        Base::Output(i) => format!("output{i}"),
        Base::Param(i) => format!("param{i}"),
    };
    let kind = match layout.kind {
        LayoutKind::Planar => "planar",
        LayoutKind::Blocked => "blocked",
    };
    let halo = halo(layout.halo);
    format!("b{}<{base}+{offset} {kind} [{lead}, {c}, {h}, {w}]{halo}>", id.0)
}

fn halo(halo: Halo) -> String {
    if halo.is_none() {
        return String::new();
    }
    let Halo { top, bottom, left, right, fill } = halo;
    format!(" halo {top},{bottom},{left},{right} of {}", fill.words())
}

fn details(plan: &Plan, kind: &TaskKind) -> String {
    let b = |id: &BufferId| format!("b{}", id.0);
    let bias = |id: &Option<BufferId>| id.as_ref().map_or(String::new(), |id| format!(" bias {}", b(id)));
    match kind {
        TaskKind::Contract(t) => {
            let [rows, columns] = t.phase;
            let phase = if rows.step == 1 && columns.step == 1 {
                String::new()
            } else {
                format!(" phase {}+{}i,{}+{}j", rows.start, rows.step, columns.start, columns.step)
            };
            let groups = if t.groups == 1 { String::new() } else { format!(" groups {}", t.groups) };
            format!(
                "{} * {}{}{groups} taps {} stride {},{}{phase} tile {}x{}{}",
                b(&t.x),
                b(&t.w),
                bias(&t.bias),
                t.taps.len(),
                t.stride[0],
                t.stride[1],
                t.pixels,
                t.vectors,
                epilogue(&t.epilogue.expr)
            )
        }
        TaskKind::WinogradTiles(t) => tiles(t),
        TaskKind::Winograd(t) => {
            let x = t.transformed.as_ref().map_or_else(|| tiles(&t.tiles), b);
            let epilogue = epilogue(&t.epilogue.expr);
            format!("{x} * {}{} panels {} vectors {}{epilogue}", b(&t.w), bias(&t.bias), t.panels, t.vectors)
        }
        TaskKind::MatMul(t) => {
            let leads: Vec<String> = t.leads.iter().map(|l| format!("{}x{}x{}", l.count, l.x, l.w)).collect();
            let leads = if leads.is_empty() { String::new() } else { format!(" leads {}", leads.join(" ")) };
            let (x, w, bias) = (b(&t.x), b(&t.w), bias(&t.bias));
            format!("{x} * {w}{bias} {}x{}x{}{leads} vectors {}", t.rows, t.inner, t.columns, t.vectors)
        }
        TaskKind::PlanarConv(t) => format!(
            "{} * {}{} groups {} taps {} stride {},{}{}{}",
            b(&t.x),
            b(&t.w),
            bias(&t.bias),
            t.groups,
            t.taps.len(),
            t.stride[0],
            t.stride[1],
            epilogue(&t.epilogue.expr),
            t.then.as_ref().map_or(String::new(), |then| {
                let (w, bias) = (b(&then.w), bias(&then.bias));
                format!(" then all {} * {w}{bias}{}", then.channels, epilogue(&then.epilogue.expr))
            })
        ),
        TaskKind::Depthwise(t) => format!(
            "{} * {}{} taps {}{} stride {},{}{}",
            b(&t.x),
            b(&t.w),
            bias(&t.bias),
            t.taps.len(),
            if t.shared { " shared" } else { "" },
            t.stride[0],
            t.stride[1],
            epilogue(&t.epilogue.expr)
        ),
        TaskKind::Pool(t) => format!(
            "{:?} {} taps {} stride {},{}{}",
            t.kind,
            b(&t.x),
            t.taps.len(),
            t.stride[0],
            t.stride[1],
            epilogue(&t.epilogue.expr)
        ),
        TaskKind::WeightGrad(t) => format!(
            "{} with {}{} taps {} stride {},{}",
            b(&t.x),
            b(&t.dy),
            if t.depthwise { " depthwise" } else { "" },
            t.taps.len(),
            t.stride[0],
            t.stride[1]
        ),
        TaskKind::MaxPoolGrad(t) => format!(
            "{} with {} kernel {},{} stride {},{}",
            b(&t.x),
            b(&t.dy),
            t.kernel[0],
            t.kernel[1],
            t.stride[0],
            t.stride[1]
        ),
        TaskKind::Pointwise(t) => expression(t),
        TaskKind::Reduce(t) => format!("{:?} {} axes {:?}", t.kind, b(&t.x), t.axes),
        TaskKind::Softmax(t) => format!("{} as [{}, {}, {}]", b(&t.x), t.outer, t.n, t.inner),
        TaskKind::Resize(t) => format!("{} {:?}", b(&t.x), t.resize),
        TaskKind::Copy(t) => {
            format!("{} dims {:?} from {:?} to {:?}", b(&t.x), t.dims, t.x_strides, t.out_strides)
        }
        TaskKind::Convert { x } => b(x),
        TaskKind::FillHalo(fill) => match fill {
            Fill::Constant(bits) => format!("of {}", f32::from_bits(*bits)),
            fill => format!("of {}", fill.words()),
        },
        TaskKind::PackPanels(t) => {
            let from = plan.buffer(t.w).base;
            format!(
                "{} ({from:?}) block {} vectors {} taps {}",
                b(&t.w),
                t.block,
                t.vectors,
                t.tap_index.len()
            )
        }
        TaskKind::PackWinograd(t) => {
            let (from, m) = (plan.buffer(t.w).base, t.tile.outputs());
            let transposed = if t.transposed { " transposed" } else { "" };
            format!("{} ({from:?}){transposed} tile {m}x{m} vectors {}", b(&t.w), t.vectors)
        }
    }
}

/// The tiles of a buffer: `b3 tiles 4x4 chunks 2x14`; with taps apart, for each size of phases,
/// `b3 tiles 4x4 of 2x2 phases chunks 2x7 of 1x2`
fn tiles(t: &Tiles) -> String {
    let m = t.tile.outputs();
    let dilated = t.dilation != [1, 1];
    let chunk = |&[pictures, rows, y, x, columns]: &[u32; 5]| {
        let pictures = if pictures == 1 { String::new() } else { format!("{pictures}x") };
        let phases = if dilated { format!(" of {y}x{x}") } else { String::new() };
        format!("{pictures}{rows}x{columns}{phases}")
    };
    let chunks: Vec<String> = t.chunk.iter().map(chunk).collect();
    let [y, x] = t.dilation;
    let phases = if dilated { format!(" of {y}x{x} phases") } else { String::new() };
    format!("b{} tiles {m}x{m}{phases} chunks {}", t.x.0, chunks.join(", "))
}

fn epilogue(expr: &Option<Pointwise>) -> String {
    expr.as_ref().map_or(String::new(), |expr| format!(" then {}", expression(expr)))
}

/// The expression as nested calls; a value used twice is printed twice.
fn expression(expr: &Pointwise) -> String {
    let mut printed: Vec<String> = Vec::new();
    for op in &expr.ops {
        let at = |i: &u32| printed.get(*i as usize).map_or("?", String::as_str);
        let one = match op {
            PointwiseOp::Operand(i) => match expr.inputs.get(*i as usize) {
                Some(Operand::Buffer(id)) => format!("b{}", id.0),
                Some(Operand::Sum) => "sum".to_owned(),
                None => "?".to_owned(),
            },
            PointwiseOp::Scalar(x) => format!("{x}"),
            PointwiseOp::Unary(op, x) => format!("{op:?}({})", at(x)),
            PointwiseOp::Binary(op, x, y) => format!("{op:?}({}, {})", at(x), at(y)),
            PointwiseOp::Prelu(x, slope) => format!("Prelu({}, {})", at(x), at(slope)),
        };
        // Long expressions are named by their first use only.
        printed.push(if one.len() > 400 { format!("…{} characters…", one.len()) } else { one });
    }
    printed.pop().unwrap_or_default()
}
