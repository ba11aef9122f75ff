//! A plan's tasks, each by the lowering of its kind.

use super::lower::{LowerError, Lowering};
use super::step::{Lowered, Nest, Step};
use super::{
    contract, convert, copy, depthwise, halo, matmul, panels, planar_conv, pointwise, pool, reduce, resize,
    softmax, strips, winograd,
};
use crate::plan::{BufferId, Plan, Task, TaskKind};

/// Lowers a plan to kernels and steps.
///
/// # Errors
/// [`LowerError`]: distances beyond what instructions hold, and inconsistencies of the plan.
pub fn lower(plan: &Plan) -> Result<Lowered, LowerError> {
    let mut low = Lowering::new(plan);
    let prepare = steps(&plan.prepare, &mut low)?;
    let run = run_steps(plan, &mut low)?;
    let (kernels, consts, local_bytes) = low.finish();
    // The caller's tensors and the parameters are dense, whatever buffers look at them.
    let bytes = |ty: &crate::graph::Type| 4 * ty.elements();
    let graph = &plan.graph;
    Ok(Lowered {
        kernels,
        prepare,
        run,
        consts,
        packed_bytes: plan.packed_bytes,
        arena_bytes: plan.arena_bytes,
        local_bytes,
        input_bytes: graph.inputs.iter().map(|i| bytes(graph.ty(i.value))).collect(),
        output_bytes: graph.outputs.iter().map(|o| bytes(graph.ty(o.value))).collect(),
        param_bytes: graph.params.iter().map(|p| 4 * p.dims.iter().product::<u64>()).collect(),
    })
}

/// The steps of a run: tasks one after the other, and groups strip by strip.
fn run_steps(plan: &Plan, low: &mut Lowering<'_>) -> Result<Vec<Step>, LowerError> {
    let mut all = Vec::new();
    let mut at = 0;
    for group in &plan.strips {
        all.extend(steps(plan.run.get(at..group.tasks.start).unwrap_or_default(), low)?);
        let tasks = plan.run.get(group.tasks.clone()).unwrap_or_default();
        let [first, last] = [tasks.first(), tasks.last()].map(|task| task.map_or("", |task| &task.name));
        let name = format!("{first} to {last}: strips");
        all.push(Step { name, nests: strips::lower(group, plan, low)? });
        at = group.tasks.end;
    }
    all.extend(steps(plan.run.get(at..).unwrap_or_default(), low)?);
    Ok(all)
}

fn steps(tasks: &[Task], low: &mut Lowering<'_>) -> Result<Vec<Step>, LowerError> {
    let mut steps = Vec::new();
    for task in tasks {
        for nests in nests(&task.kind, task.out, low)? {
            let nests: Vec<Nest> = nests.into_iter().filter(|nest| !nest.is_empty()).collect();
            if !nests.is_empty() {
                steps.push(Step { name: format!("{}: {}", task.name, task.kind.word()), nests });
            }
        }
    }
    Ok(steps)
}

/// The sequential steps of a task, each as its nests.
pub(super) fn nests(
    kind: &TaskKind,
    out: BufferId,
    low: &mut Lowering<'_>,
) -> Result<Vec<Vec<Nest>>, LowerError> {
    match kind {
        TaskKind::Contract(task) => contract::lower(task, out, low),
        TaskKind::Winograd(task) => winograd::lower(task, out, low),
        TaskKind::WinogradTiles(task) => winograd::lower_tiles(task, out, low),
        TaskKind::MatMul(task) => matmul::lower(task, out, low),
        TaskKind::PlanarConv(task) => planar_conv::lower(task, out, low),
        TaskKind::Depthwise(task) => depthwise::lower(task, out, low),
        TaskKind::Pool(task) => pool::lower(task, out, low),
        TaskKind::Pointwise(task) => Ok(vec![pointwise::lower(task, out, low)?]),
        TaskKind::Reduce(task) => Ok(vec![reduce::lower(task, out, low)?]),
        TaskKind::Softmax(task) => Ok(vec![softmax::lower(task, out, low)?]),
        TaskKind::Resize(task) => resize::lower(task, out, low),
        TaskKind::Copy(task) => copy::lower(task, out, low),
        TaskKind::Convert { x } => convert::lower(*x, out, low),
        TaskKind::FillHalo(fill) => halo::lower(*fill, out, low),
        TaskKind::PackPanels(task) => panels::lower(task, out, low),
        TaskKind::PackWinograd(task) => winograd::pack::lower(task, out, low),
    }
}
