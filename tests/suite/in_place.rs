//! Results that are written over operands: where that may be, where it may not, and what it saves.

use convc::graph::Graph;
use convc::plan::{self, Plan, PlanOptions};
use convc::runtime::params::Params;
use convc::target::Target;
use convc::tensor::Tensor;
use convc::{Model, Options, pipeline};

use crate::executors::agree;

fn graph(body: &str) -> Graph {
    let text = format!("model m {{\n{body}\n}}\n");
    let model = Model::from_str("model.conv", &text).unwrap_or_else(|e| panic!("{e}"));
    let (graph, _) = model.graph(&Options::default()).unwrap_or_else(|e| panic!("{e}"));
    pipeline::optimise(&graph)
}

/// Runs a model by every executor; the plan, and the words of the tasks that write over an operand.
fn check(body: &str) -> (Plan, Vec<&'static str>) {
    let graph = graph(body);
    let params = Params::seeded(&graph, 3).expect("there is memory");
    let noise = |i: usize| (i * 7919 % 1009) as f32 / 504.5 - 1.0;
    let inputs: Vec<Tensor> = (graph.inputs.iter())
        .map(|input| {
            let dims: Vec<usize> = graph.ty(input.value).dims.iter().map(|&d| d as usize).collect();
            let data = (0..dims.iter().product()).map(noise).collect();
            Tensor::new(&dims, data).expect("the lengths agree")
        })
        .collect();
    let views: Vec<_> = inputs.iter().map(Tensor::view).collect();
    agree(&graph, &views, params.tensors(), 1e-4);
    let plan = plan::plan(&graph, &PlanOptions::new(Target::host())).expect("there is a plan");
    let over = plan.run.iter().filter(|task| task.reason.contains("; over b")).map(|task| task.kind.word());
    let over = over.collect();
    (plan, over)
}

/// A value that is in memory, `x`, then lines, then a last layer that keeps their result from being the caller's.
fn between(channels: u32, lines: &str) -> Vec<&'static str> {
    check(&format!(
        "  input i [{channels}, 11, 13]
  x = i |> conv(kernel=3, pad=1, out={channels})
{lines}
  y |> maxpool(kernel=2)"
    ))
    .1
}

#[test]
fn every_kind_of_task_that_reads_an_operand_writes_over_it() {
    // Planes of few channels, blocks, and blocks with padding lanes.
    for channels in [3, 16, 21] {
        let conv = format!("conv(kernel=1, out={channels})");
        let blocked = channels > 3;
        let over = |lines: &str| between(channels, lines);
        let tail = |tasks: &[&'static str]| -> Vec<&'static str> {
            tasks.iter().copied().filter(|word| blocked || *word != "pointwise").collect()
        };
        let word = if blocked { "contract" } else { "planar" };
        let residual = format!("  a = x |> {conv}\n  b = exp(a)\n  c = b |> {conv}\n  y = relu(c + x)");
        assert_eq!(over(&residual), tail(&["pointwise", word]), "{channels}");
        let each = format!(
            "  b = x |> {conv} |> conv(kernel=3, pad=1, groups={channels}, out={channels})\n  y = relu(b + x)"
        );
        assert_eq!(over(&each), ["depthwise"], "{channels}");
        let pool = format!("  b = x |> {conv} |> maxpool(kernel=3, stride=1, pad=1)\n  y = relu(b * x)");
        assert_eq!(over(&pool), ["pool"], "{channels}");
        let word = if blocked { "winograd" } else { "planar" };
        let large = format!("  b = x |> {conv} |> conv(kernel=3, pad=1, out={channels})\n  y = relu(b * x)");
        assert_eq!(over(&large), [word], "{channels}");
    }
}

#[test]
fn what_is_read_otherwise_or_later_is_kept() {
    // Read by windows of the same task.
    let windows = "  b = x |> conv(kernel=3, pad=1, out=16)\n  y = relu(b + x)";
    assert_eq!(between(16, windows), [""; 0]);
    // Read later: the sum may write over it, the function before may not.
    let later = "  a = exp(x)\n  b = a |> conv(kernel=1, out=16)\n  y = b + x";
    assert_eq!(between(16, later), ["contract"]);
    // Another shape.
    assert_eq!(between(16, "  a = x |> global_avgpool\n  y = exp(x) * a"), ["pointwise"]);
    // The caller's own.
    let (_, over) = check("  input x [16, 5, 7]\n  a = exp(x)\n  a |> maxpool(kernel=2)");
    assert_eq!(over, [""; 0]);
}

#[test]
fn a_residual_needs_the_memory_of_two_values() {
    let (plan, over) = check(
        "  input i [16, 24, 24]
  x = i |> conv(kernel=1, out=16)
  a = x |> conv(kernel=1, out=16)
  b = a |> conv(kernel=1, out=16)
  y = b + x
  y |> global_avgpool",
    );
    assert_eq!(over, ["contract"]);
    let value = 4 * 16 * 24 * 24;
    assert_eq!(plan.arena_bytes, 2 * value, "{}", plan::print(&plan));
}

#[test]
fn the_verifier_refuses_what_is_written_over_too_early_or_otherwise() {
    let (plan, over) = check(
        "  input i [16, 11, 13]
  x = i |> conv(kernel=1, out=16)
  y = exp(x)
  y |> maxpool(kernel=2)",
    );
    assert_eq!((over.as_slice(), plan::verify(&plan).len()), (["pointwise"].as_slice(), 0));
    let number = plan.run.iter().position(|task| task.kind.word() == "pointwise").expect("there is one");
    let operand = plan.run[number].kind.reads()[0];
    let refused = |change: &dyn Fn(&mut Plan)| {
        let mut plan = plan.clone();
        change(&mut plan);
        let problems = plan::verify(&plan);
        assert!(
            problems.iter().any(|p| p.contains("while it is needed")),
            "{problems:?}\n{}",
            plan::print(&plan)
        );
    };
    // Somebody reads the operand afterwards.
    refused(&|plan| {
        let mut again = plan.run[number].clone();
        again.out = plan.run.last().expect("there is one").out;
        plan.run.push(again);
    });
    // The result is elsewhere in the same memory.
    refused(&|plan| {
        plan.arena_bytes += 64;
        let out = plan.run[number].out;
        plan.buffers[out.0 as usize].offset += 64;
    });
    // A task that does not read element by element.
    refused(&|plan| plan.run[number].kind = convc::plan::TaskKind::Convert { x: operand });
}
