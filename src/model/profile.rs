//! What the steps of a program are for, and how much work they do.

use std::ops::Range;

use super::{Error, Options, Program};
use crate::pipeline;
use crate::plan::{Plan, Work, work};

/// A task of a program's run, or a group of tasks that runs strip by strip.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The layer it is for; of a group, the first and the last.
    pub layer: String,
    /// How it is done, in one word: `contract`, `pool`, `halo`, `strips`, ….
    pub algorithm: &'static str,
    /// Why it is done so.
    pub reason: String,
    /// Its steps, among those that [`Program::run_timed`] times.
    pub steps: Range<usize>,
    /// What there is to do for one sample.
    pub work: Work,
}

/// The parts of a program's run in their order, those without a step left out.
///
/// `options` are those that the program was compiled with.
///
/// # Errors
/// As [`crate::Model::compile`].
pub fn parts(program: &Program, options: &Options) -> Result<Vec<Part>, Error> {
    let graph = pipeline::specialise(program.graph(), program.params().tensors(), options.math);
    let graph = pipeline::optimise(&graph);
    let plan = pipeline::plan(&graph, &options.plan_options())?;
    let (_, tasks) = pipeline::lower_traced(&plan)?;
    let mut parts: Vec<Part> = Vec::new();
    let mut last = None;
    for (step, numbers) in tasks.into_iter().enumerate() {
        match parts.last_mut() {
            Some(part) if last.as_ref() == Some(&numbers) => part.steps.end = step + 1,
            _ => parts.push(part(&plan, &numbers, step)?),
        }
        last = Some(numbers);
    }
    Ok(parts)
}

fn part(plan: &Plan, numbers: &Range<usize>, step: usize) -> Result<Part, Error> {
    let tasks = plan.run.get(numbers.clone()).unwrap_or_default();
    let Some((first, others)) = tasks.split_first() else {
        return Err(Error::Bug { message: "a step is of no task".to_owned() });
    };
    let mut part = Part {
        layer: first.name.clone(),
        algorithm: first.kind.word(),
        reason: first.reason.clone(),
        steps: step..step + 1,
        work: work(plan, first),
    };
    if let Some(strips) = plan.strips.iter().find(|strips| strips.tasks == *numbers) {
        if let Some(last) = others.last().filter(|last| last.name != first.name) {
            part.layer = format!("{} to {}", first.name, last.name);
        }
        part.algorithm = "strips";
        let words: Vec<&str> = tasks.iter().map(|task| task.kind.word()).collect();
        part.reason = format!("{} strips of {}: {}", strips.count, words.join(", "), strips.reason);
    }
    for task in others {
        let Work { flops, bytes } = work(plan, task);
        part.work.flops = part.work.flops.saturating_add(flops);
        part.work.bytes = part.work.bytes.saturating_add(bytes);
    }
    Ok(part)
}
