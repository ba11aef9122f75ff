//! Compiled code held to the evaluator, layer by layer.
//!
//! The values that a program keeps (the results of its tasks; what is fused into them is never in memory) are
//! made outputs, so that both sides can be looked at. Since they are kept anyway, the code is the same.

use super::{Error, Options, Program};
use crate::graph::eval::evaluate;
use crate::graph::print::Operation;
use crate::graph::{Graph, Op, Output, Value};
use crate::limits;
use crate::pipeline;
use crate::tensor::{Tensor, TensorView};

/// How far one tensor is from another.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The largest absolute difference; NaN where one of the two is NaN and the other is not.
    pub worst: f32,
    /// Where it is, the batch axis included.
    pub at: Vec<usize>,
    /// What was found there.
    pub found: f32,
    /// What was expected there.
    pub expected: f32,
    /// The largest less the smallest number expected.
    pub range: f32,
}

impl Difference {
    /// Compares two tensors of one shape; `None` where the shapes differ.
    pub fn of(found: TensorView<'_>, expected: TensorView<'_>) -> Option<Difference> {
        if found.shape() != expected.shape() {
            return None;
        }
        let mut worst = (0.0f32, 0);
        let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
        for (i, (&f, &e)) in found.data().iter().zip(expected.data()).enumerate() {
            let apart = match (f.is_nan(), e.is_nan()) {
                (true, true) => 0.0,
                (false, false) if f == e => 0.0,
                (false, false) => (f - e).abs(),
                _ => f32::NAN,
            };
            if apart > worst.0 || apart.is_nan() && !worst.0.is_nan() {
                worst = (apart, i);
            }
            if e.is_finite() {
                (low, high) = (low.min(e), high.max(e));
            }
        }
        let (worst, index) = worst;
        let number = |t: TensorView<'_>| t.data().get(index).copied().unwrap_or(0.0);
        Some(Difference {
            worst,
            at: position(index, found.shape()),
            found: number(found),
            expected: number(expected),
            range: if high >= low { high - low } else { 0.0 },
        })
    }

    /// Whether no element is further away than `tolerance` times the range of what is expected (times its
    /// largest number, where all are the same).
    pub fn within(&self, tolerance: f32) -> bool {
        let scale = if self.range > 0.0 { self.range } else { self.expected.abs().max(f32::MIN_POSITIVE) };
        self.worst <= tolerance * scale
    }

    /// The worst difference as a share of the range.
    pub fn share(&self) -> f32 {
        if self.worst == 0.0 {
            return 0.0;
        }
        self.worst / if self.range > 0.0 { self.range } else { self.expected.abs().max(f32::MIN_POSITIVE) }
    }
}

/// The index of an element along each axis.
fn position(mut index: usize, shape: &[usize]) -> Vec<usize> {
    let mut at: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&n| {
            let i = index % n.max(1);
            index /= n.max(1);
            i
        })
        .collect();
    at.reverse();
    at
}

/// One value of a program beside what the evaluator computes.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Its name.
    pub name: String,
    /// The operation, `conv 3x3 pad 1`.
    pub operation: String,
    /// Its shape, the batch included.
    pub shape: Vec<usize>,
    /// How far the compiled result is from the evaluator's.
    pub difference: Difference,
}

/// What compiled code and evaluator make of the same inputs.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The values that the program keeps, in the order in which they are made.
    pub layers: Vec<Layer>,
    /// The outputs of the program as it is, held to the evaluator on the graph before any pass.
    pub outputs: Vec<Layer>,
}

/// Runs a program and the evaluator on the same inputs and compares every value that the program keeps.
///
/// `options` are those that the program was compiled with.
///
/// # Errors
/// As [`Program::run`]; [`Error::Memory`] where the evaluator is refused memory.
pub fn compare(program: &Program, options: &Options, inputs: &[TensorView<'_>]) -> Result<Comparison, Error> {
    let params = program.params().tensors();
    let found = program.run(inputs)?;
    let graph = program.graph();
    let expected = by_evaluator(graph, inputs, params)?;
    let outputs = graph.outputs.iter().zip(found.iter().zip(&expected));
    let outputs = outputs
        .map(|(output, (found, expected))| layer(graph, output.value, &output.name, found, expected))
        .collect::<Result<_, _>>()?;

    let optimised = pipeline::optimise(graph);
    let kept = kept_values(&optimised, options)?;
    let mut layers = Vec::new();
    for part in kept.chunks(limits::PORTS) {
        let mut shown = optimised.clone();
        shown.outputs =
            part.iter().map(|&value| Output { name: optimised.node(value).name.clone(), value }).collect();
        let program = program.with_graph(shown, options)?;
        let found = program.run(inputs)?;
        let expected = by_evaluator(program.graph(), inputs, params)?;
        for (&value, (found, expected)) in part.iter().zip(found.iter().zip(&expected)) {
            layers.push(layer(&optimised, value, &optimised.node(value).name, found, expected)?);
        }
    }
    Ok(Comparison { layers, outputs })
}

/// A value of a program, by name.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its name.
    pub name: String,
    /// The operation.
    pub operation: String,
    /// What was computed.
    pub tensor: Tensor,
}

impl Found {
    /// Beside what is expected; `None` where the shapes differ, a batch axis of one sample aside.
    pub fn against(&self, expected: &Tensor) -> Option<Layer> {
        let (have, want) = (self.tensor.shape(), expected.shape());
        let same =
            have == want || have.strip_prefix(&[1]) == Some(want) || want.strip_prefix(&[1]) == Some(have);
        let expected = TensorView::new(have, expected.data()).ok().filter(|_| same)?;
        Some(Layer {
            name: self.name.clone(),
            operation: self.operation.clone(),
            shape: have.to_vec(),
            difference: Difference::of(self.tensor.view(), expected)?,
        })
    }
}

/// Runs a program whose outputs are the values of these names, of nodes or of outputs.
///
/// # Errors
/// [`Error::Input`] for a name that the graph does not have; else as [`Program::run`].
pub fn values(
    program: &Program,
    names: &[&str],
    options: &Options,
    inputs: &[TensorView<'_>],
) -> Result<Vec<Found>, Error> {
    let graph = program.graph();
    let mut all = Vec::new();
    for names in names.chunks(limits::PORTS) {
        let mut shown = graph.clone();
        shown.outputs = Vec::new();
        for (i, name) in names.iter().enumerate() {
            let output = graph.outputs.iter().find(|o| o.name == *name).map(|o| o.value);
            let node = || graph.values().find(|(_, n)| n.name == *name).map(|(value, _)| value);
            let value = output.or_else(node).ok_or_else(|| Error::Input {
                name: (*name).to_owned(),
                message: "the model has no layer or output of this name".to_owned(),
            })?;
            shown.outputs.push(Output { name: format!("{i}"), value });
        }
        let values: Vec<Value> = shown.outputs.iter().map(|o| o.value).collect();
        let tensors = program.with_graph(pipeline::optimise(&shown), options)?.run(inputs)?;
        for ((name, value), tensor) in names.iter().zip(values).zip(tensors) {
            let operation = Operation(&graph.node(value).op).to_string();
            all.push(Found { name: (*name).to_owned(), operation, tensor });
        }
    }
    Ok(all)
}

/// The values that tasks of a run write, in their order.
fn kept_values(graph: &Graph, options: &Options) -> Result<Vec<Value>, Error> {
    let plan = pipeline::plan(graph, &options.plan_options())?;
    let mut kept: Vec<Value> = Vec::new();
    for task in &plan.run {
        if let Some(value) = plan.buffer(task.out).value
            && !kept.contains(&value)
            && !matches!(graph.node(value).op, Op::Input(_) | Op::Const(_) | Op::Param(_))
        {
            kept.push(value);
        }
    }
    Ok(kept)
}

fn by_evaluator(graph: &Graph, inputs: &[TensorView<'_>], params: &[Tensor]) -> Result<Vec<Tensor>, Error> {
    use crate::graph::eval::EvalError;
    evaluate(graph, inputs, params).map_err(|e| match e {
        EvalError::Memory { name, bytes } => Error::Memory { needed: bytes, limit: 0, layer: name },
        other => Error::Bug { message: other.to_string() },
    })
}

fn layer(graph: &Graph, value: Value, name: &str, found: &Tensor, expected: &Tensor) -> Result<Layer, Error> {
    let difference = Difference::of(found.view(), expected.view())
        .ok_or_else(|| Error::Bug { message: format!("`{name}` has two shapes") })?;
    Ok(Layer {
        name: name.to_owned(),
        operation: Operation(&graph.node(value).op).to_string(),
        shape: found.shape().to_vec(),
        difference,
    })
}
