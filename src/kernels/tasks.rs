//! A plan's tasks, each by the lowering of its kind.

use std::ops::Range;

use super::lower::{LowerError, Lowering};
use super::step::{Lowered, Nest, Step};
use super::{
    contract, convert, copy, depthwise, halo, matmul, panels, planar_conv, pointwise, pool, pool_grad,
    reduce, resize, softmax, strips, weight_grad, winograd,
};
use crate::plan::{BufferId, Fill, Plan, Task, TaskKind};

/// Lowers a plan to kernels and steps.
///
/// # Errors
/// [`LowerError`]: distances beyond what instructions hold, and inconsistencies of the plan.
pub fn lower(plan: &Plan) -> Result<Lowered, LowerError> {
    Ok(lower_traced(plan)?.0)
}

/// As [`lower`], with the tasks in [`Plan::run`] that each run step is for: one, one and the halo around its result, or a
/// group in strips.
///
/// # Errors
/// As [`lower`].
pub fn lower_traced(plan: &Plan) -> Result<(Lowered, Vec<Range<usize>>), LowerError> {
    let mut low = Lowering::new(plan);
    let (prepare, _) = steps(&plan.prepare, 0, &mut low)?;
    let (run, tasks) = run_steps(plan, &mut low)?;
    let (kernels, consts, local_bytes) = low.finish();
    // The caller's tensors and the parameters are dense, whatever buffers look at them.
    let bytes = |ty: &crate::graph::Type| 4 * ty.elements();
    let graph = &plan.graph;
    let lowered = Lowered {
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
    };
    Ok((lowered, tasks))
}

/// Steps, and the numbers of each one's tasks.
type Traced = (Vec<Step>, Vec<Range<usize>>);

/// The steps of a run: tasks one after the other, and groups strip by strip.
fn run_steps(plan: &Plan, low: &mut Lowering<'_>) -> Result<Traced, LowerError> {
    let (mut all, mut of) = (Vec::new(), Vec::new());
    let singly = |tasks: Range<usize>, low: &mut Lowering<'_>, (all, of): (&mut Vec<Step>, &mut Vec<_>)| {
        let (found, numbers) = steps(plan.run.get(tasks.clone()).unwrap_or_default(), tasks.start, low)?;
        all.extend(found);
        of.extend(numbers);
        Ok::<(), LowerError>(())
    };
    let mut at = 0;
    for group in &plan.strips {
        singly(at..group.tasks.start, low, (&mut all, &mut of))?;
        let tasks = plan.run.get(group.tasks.clone()).unwrap_or_default();
        let [first, last] = [tasks.first(), tasks.last()].map(|task| task.map_or("", |task| &task.name));
        let name = format!("{first} to {last}: strips");
        all.push(Step { name, nests: strips::lower(group, plan, low)? });
        of.push(group.tasks.clone());
        at = group.tasks.end;
    }
    singly(at..plan.run.len(), low, (&mut all, &mut of))?;
    Ok((all, of))
}

/// The steps of tasks, of which the first has the number `first`.
fn steps(tasks: &[Task], first: usize, low: &mut Lowering<'_>) -> Result<Traced, LowerError> {
    let (mut steps, mut of): Traced = (Vec::new(), Vec::new());
    for (number, task) in (first..).zip(tasks) {
        for nests in nests(&task.kind, task.out, low)? {
            let mut nests: Vec<Nest> = nests.into_iter().filter(|nest| !nest.is_empty()).collect();
            let Some(first_nest) = nests.first_mut() else { continue };
            // A halo that takes nothing from what it surrounds is filled beside it, by the same step.
            let before = number.checked_sub(first + 1).and_then(|at| tasks.get(at));
            if let (Some(step), Some(numbers)) = (steps.last_mut(), of.last_mut())
                && is_constant(&task.kind)
                && numbers.end == number
                && before.is_some_and(|before| before.out == task.out)
            {
                // Its lines are those of what it surrounds.
                first_nest.anew = true;
                step.nests.extend(nests);
                numbers.end = number + 1;
                continue;
            }
            steps.push(Step { name: format!("{}: {}", task.name, task.kind.word()), nests });
            of.push(number..number + 1);
        }
    }
    Ok((steps, of))
}

/// Whether a task fills a halo with one number.
fn is_constant(kind: &TaskKind) -> bool {
    matches!(kind, TaskKind::FillHalo(Fill::Zero | Fill::NegInfinity | Fill::Constant(_)))
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
        TaskKind::WeightGrad(task) => weight_grad::lower(task, out, low),
        TaskKind::MaxPoolGrad(task) => pool_grad::lower(task, out, low),
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
