//! Every way to run a graph, behind one function, and what they are held to.

use convc::code::Backend;
use convc::graph::Graph;
use convc::graph::eval::evaluate;
use convc::kernels::interpret::{self, FmaRounding, Memory};
use convc::kernels::step::Base;
use convc::kernels::verify;
use convc::pipeline;
use convc::plan::{PlanOptions, TaskKind};
use convc::runtime::{Pool, Sequential};
use convc::target::{Math, Target};
use convc::tensor::{Tensor, TensorView};

use crate::fenced;

thread_local! {
    /// Threads beside a test's own, for which every step is split.
    static POOL: Pool = Pool::new(3).with_grain(1);
}

/// A way to run a graph.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Executor {
    /// The reference.
    Evaluator,
    /// Vector IR, interpreted.
    Interpreter,
    /// Machine code of an emitter, on one thread and on three, in buffers beside fences.
    Compiled(Backend),
    /// Machine code for AVX2, on a machine that has more.
    Avx2,
}

impl Executor {
    /// All that this machine can run.
    pub fn all() -> Vec<Executor> {
        let mut all =
            vec![Executor::Evaluator, Executor::Interpreter, Executor::Compiled(Backend::Cranelift)];
        let host = Target::host();
        if host.without_wide().isa == Target::X64_AVX2.isa {
            all.push(Executor::Compiled(Backend::X64));
            if host.has_wide() {
                all.push(Executor::Avx2);
            }
        } else {
            eprintln!("skipped: this machine has no AVX2 and FMA for the x64 emitter");
        }
        all
    }

    /// The outputs of one sample, without Winograd's filtering.
    pub fn run(self, graph: &Graph, inputs: &[TensorView<'_>], params: &[Tensor]) -> Vec<Tensor> {
        self.run_by(Math::Strict, graph, inputs, params)
    }

    /// The outputs of one sample, by the algorithms that `math` allows.
    pub fn run_by(
        self,
        math: Math,
        graph: &Graph,
        inputs: &[TensorView<'_>],
        params: &[Tensor],
    ) -> Vec<Tensor> {
        if self == Executor::Evaluator {
            return evaluate(graph, inputs, params).expect("the evaluator runs");
        }
        let optimised = pipeline::optimise(graph);
        let host = Target::host();
        let target = match self {
            Executor::Avx2 | Executor::Compiled(Backend::Cranelift) => host.without_wide(),
            _ => host,
        };
        let plan = pipeline::plan(&optimised, &PlanOptions { target, math }).expect("the graph has a plan");
        assert_eq!(convc::plan::verify(&plan), Vec::<String>::new());
        let lowered = pipeline::lower(&plan).expect("the plan is lowered");
        let problems: Vec<String> = verify::verify(&lowered).iter().map(ToString::to_string).collect();
        assert_eq!(problems, Vec::<String>::new(), "\n{}", convc::plan::print(&plan));
        let shapes: Vec<Vec<usize>> = graph
            .outputs
            .iter()
            .map(|o| graph.ty(o.value).dims.iter().map(|&d| d as usize).collect())
            .collect();
        let results: Vec<Vec<f32>> = match self {
            Executor::Compiled(_) | Executor::Avx2 => {
                let backend = match self {
                    Executor::Compiled(backend) => backend,
                    _ => Backend::X64,
                };
                let code = pipeline::assemble(&lowered, &target, backend).expect("the code is assembled");
                let inputs: Vec<&[f32]> = inputs.iter().map(TensorView::data).collect();
                POOL.with(|pool| fenced::run_code(&code, &[&Sequential, pool], params, &inputs))
            }
            _ => {
                // As the machine's code rounds.
                let rounding = if target.has_fma() { FmaRounding::Once } else { FmaRounding::Twice };
                let mut memory = Memory::new(&lowered).expect("there is memory");
                for (i, param) in params.iter().enumerate() {
                    memory.write(&lowered, Base::Param(i as u32), param.data()).expect("a parameter fits");
                }
                for (i, input) in inputs.iter().enumerate() {
                    memory.write(&lowered, Base::Input(i as u32), input.data()).expect("an input fits");
                }
                interpret::run_prepare(&lowered, &mut memory, rounding).expect("prepare steps run");
                interpret::run(&lowered, &mut memory, rounding).expect("run steps run");
                (0..shapes.len()).map(|i| memory.read(&lowered, Base::Output(i as u32))).collect()
            }
        };
        shapes
            .iter()
            .zip(results)
            .map(|(shape, data)| Tensor::new(shape, data).expect("lengths agree"))
            .collect()
    }
}

/// What Winograd's filtering may add to a tolerance; its own tests hold it to its bound.
const WINOGRAD: f32 = 16.0;

/// Whether a graph's plan has Winograd's filtering in it.
pub fn filters(graph: &Graph) -> bool {
    let optimised = pipeline::optimise(graph);
    let plan = pipeline::plan(&optimised, &PlanOptions::new(Target::host())).expect("the graph has a plan");
    plan.prepare.iter().chain(&plan.run).any(|task| matches!(task.kind, TaskKind::Winograd(_)))
}

/// Holds all executors to the evaluator, within `tolerance` absolute plus relative; more by Winograd's filtering.
pub fn agree(graph: &Graph, inputs: &[TensorView<'_>], params: &[Tensor], tolerance: f32) {
    agree_by(Math::Strict, graph, inputs, params, tolerance);
    if filters(graph) {
        agree_by(Math::Default, graph, inputs, params, WINOGRAD * tolerance);
    }
}

fn agree_by(math: Math, graph: &Graph, inputs: &[TensorView<'_>], params: &[Tensor], tolerance: f32) {
    let expected = Executor::Evaluator.run(graph, inputs, params);
    // All but the evaluator do the same operations in the same order, whatever the registers of the target.
    let mut first: Option<Vec<Tensor>> = None;
    for executor in Executor::all().into_iter().skip(1) {
        let found = executor.run_by(math, graph, inputs, params);
        let first = first.get_or_insert_with(|| found.clone());
        for (found, first) in found.iter().zip(first.iter()) {
            let same = |(f, e): (&f32, &f32)| f.to_bits() == e.to_bits() || f.is_nan() && e.is_nan();
            let differing = found.data().iter().zip(first.data()).position(|pair| !same(pair));
            assert_eq!(differing, None, "{executor:?} differs in a bit from the interpreter");
        }
        for (output, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert_eq!(found.shape(), expected.shape());
            for (i, (&f, &e)) in found.data().iter().zip(expected.data()).enumerate() {
                let close =
                    (f - e).abs() <= tolerance * (1.0 + e.abs()) || f == e || f.is_nan() && e.is_nan();
                assert!(
                    close,
                    "{executor:?}: output {output}, element {i}: {f} is not {e}\n{}",
                    convc::graph::print::print(graph)
                );
            }
        }
    }
}
