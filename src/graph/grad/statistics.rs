//! Batchnorm as it is in training: by the statistics of the batch.

use super::{Builder, GradError};
use crate::graph::shape::channel_axis;
use crate::graph::{Graph, Op, ReduceKind, UnaryOp, Value};

/// A statistic that is kept beside the weights, and what it becomes.
pub struct Running {
    /// The parameter's value.
    pub old: Value,
    /// Its value after this batch.
    pub new: Value,
}

/// The same graph with each batchnorm by the mean and the variance of its own batch; the statistics kept for
/// later become `(1 − momentum)·old + momentum·batch`, variances as unbiased estimates, as in PyTorch: one
/// after the other where batchnorms share them. No value may be batched.
///
/// # Errors
/// If a value is too large, or a batch has one value for each channel.
pub fn with_batch_statistics(graph: &Graph, momentum: f64) -> Result<(Graph, Vec<Running>), GradError> {
    let mut b = Builder::new(Graph { nodes: Vec::new(), ..graph.clone() }, 'b');
    let mut map: Vec<Value> = Vec::with_capacity(graph.nodes.len());
    let mut running: Vec<Running> = Vec::new();
    for (_, node) in graph.values() {
        b.at(&node.name, node.span);
        let args: Vec<Value> = node.args.iter().map(|a| map[a.index()]).collect();
        let value = match (&node.op, args.as_slice()) {
            (Op::BatchNorm { eps }, &[x, scale, shift, mean, variance]) => {
                let batch = normalised(&mut b, x, scale, shift, *eps)?;
                for (old, new, factor) in
                    [(mean, batch.mean, 1.0), (variance, batch.variance, batch.unbiased)]
                {
                    let dims = b.dims(old);
                    let new = b.reshape(new, dims)?;
                    let new = b.times(new, (momentum * factor) as f32)?;
                    let before = running.iter().position(|shared| shared.old == old);
                    let kept = before.map_or(old, |i| running[i].new);
                    let kept = b.times(kept, (1.0 - momentum) as f32)?;
                    let new = b.add(kept, new)?;
                    match before {
                        Some(i) => running[i].new = new,
                        None => running.push(Running { old, new }),
                    }
                }
                batch.y
            }
            _ => {
                b.graph.nodes.push(crate::graph::Node { args, ..node.clone() });
                Value(b.graph.nodes.len() as u32 - 1)
            }
        };
        map.push(value);
    }
    Ok((b.renumbered(&map), running))
}

struct Normalised {
    y: Value,
    mean: Value,
    variance: Value,
    /// What makes the variance unbiased: n/(n − 1).
    unbiased: f64,
}

fn normalised(
    b: &mut Builder,
    x: Value,
    scale: Value,
    shift: Value,
    eps: f32,
) -> Result<Normalised, GradError> {
    let dims = b.dims(x);
    let channels = channel_axis(dims.len()).unwrap_or(0);
    let axes: Vec<usize> = (0..dims.len()).filter(|&axis| axis != channels).collect();
    let n: u64 = axes.iter().map(|&axis| dims[axis]).product();
    if n == 1 {
        return Err(GradError::OneValue { name: b.place().to_owned() });
    }
    let mut along = vec![dims[channels]];
    along.resize(dims.len() - channels, 1);
    let mean = b.op(Op::Reduce(ReduceKind::Mean, axes.clone()), &[x])?;
    let centred = b.sub(x, mean)?;
    let square = b.mul(centred, centred)?;
    let variance = b.op(Op::Reduce(ReduceKind::Mean, axes), &[square])?;
    let shifted = b.plus(variance, eps)?;
    let deviation = b.unary(UnaryOp::Sqrt, shifted)?;
    let inverse = b.unary(UnaryOp::Reciprocal, deviation)?;
    let scale = b.reshape(scale, along.clone())?;
    let factor = b.mul(inverse, scale)?;
    let scaled = b.mul(centred, factor)?;
    let shift = b.reshape(shift, along)?;
    let y = b.add(scaled, shift)?;
    Ok(Normalised { y, mean, variance, unbiased: n as f64 / (n - 1) as f64 })
}
