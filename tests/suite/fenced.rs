//! Machine code in buffers beside pages that cannot be accessed: all that it touches, once with the page before the
//! first byte and once with it after the last. Code that leaves a buffer dies.

use convc::code::Code;
use convc::runtime::{Executor, Fenced, Loaded, Placement, Sequential};
use convc::tensor::{Tensor, TensorView};
use convc::{Model, Options, Program};

/// Either end.
pub const ENDS: [Placement; 2] = [Placement::Before, Placement::After];

fn fenced(values: &[f32], placement: Placement) -> Fenced {
    Fenced::new(values, placement).expect("there is memory")
}

fn bits<'a>(outputs: impl IntoIterator<Item = &'a [f32]>) -> Vec<Vec<u32>> {
    outputs.into_iter().map(|output| output.iter().map(|x| x.to_bits()).collect()).collect()
}

/// The outputs of one sample, which by every executor and at either end are the same to the bit, as packed weights are.
pub fn run_code(
    code: &Code,
    executors: &[&dyn Executor],
    params: &[Tensor],
    inputs: &[&[f32]],
) -> Vec<Vec<f32>> {
    let mut first: Option<(Vec<u8>, Vec<Vec<f32>>)> = None;
    for placement in ENDS {
        let loaded = Loaded::load_placed(code, placement).expect("the code is loaded");
        let params: Vec<Fenced> = params.iter().map(|param| fenced(param.data(), placement)).collect();
        let inputs: Vec<Fenced> = inputs.iter().map(|input| fenced(input, placement)).collect();
        let inputs: Vec<&[f32]> = inputs.iter().map(Fenced::values).collect();
        for &executor in executors {
            let packed = loaded.prepare_on(executor, &params).expect("weights are packed");
            let mut scratch = loaded.scratch(executor.threads()).expect("there is memory");
            let unwritten = |&bytes: &u64| fenced(&vec![f32::NAN; bytes as usize / 4], placement);
            let mut results: Vec<Fenced> = code.sizes().outputs.iter().map(unwritten).collect();
            let mut outputs: Vec<&mut [f32]> = results.iter_mut().map(Fenced::values_mut).collect();
            loaded
                .run_on(executor, &packed, &params, &mut scratch, &inputs, &mut outputs)
                .expect("the code runs");
            let outputs = results.iter().map(|result| result.values().to_vec());
            let (bytes, expected) = first.get_or_insert_with(|| (packed.bytes().to_vec(), outputs.collect()));
            let what = format!("{} threads, {placement:?}", executor.threads());
            assert!(packed.bytes() == bytes, "weights packed on {what}");
            let found = bits(results.iter().map(Fenced::values));
            assert!(found == bits(expected.iter().map(Vec::as_slice)), "on {what}");
        }
    }
    first.expect("there is an executor").1
}

/// The outputs of a program that was compiled for the placement, at which inputs and outputs are, too.
pub fn run_on(
    executor: &dyn Executor,
    program: &Program,
    placement: Placement,
    inputs: &[TensorView<'_>],
) -> Vec<Tensor> {
    let data: Vec<Fenced> = inputs.iter().map(|input| fenced(input.data(), placement)).collect();
    let views: Vec<TensorView<'_>> = (inputs.iter().zip(&data))
        .map(|(input, data)| TensorView::new(input.shape(), data.values()).expect("the lengths agree"))
        .collect();
    let mut outputs = program.outputs_for(inputs).expect("the inputs fit");
    let mut results: Vec<Fenced> = outputs.iter().map(|output| fenced(output.data(), placement)).collect();
    let mut slices: Vec<&mut [f32]> = results.iter_mut().map(Fenced::values_mut).collect();
    let mut scratch = program.scratch_for(executor.threads()).expect("there is memory");
    program.run_into_on(executor, &mut scratch, &views, &mut slices).expect("it runs");
    for (output, result) in outputs.iter_mut().zip(&results) {
        output.data_mut().copy_from_slice(result.values());
    }
    outputs
}

/// As [`run_on`], on the threads of the program.
pub fn run(program: &Program, placement: Placement, inputs: &[TensorView<'_>]) -> Vec<Tensor> {
    match program.pool() {
        Some(pool) => run_on(&**pool, program, placement, inputs),
        None => run_on(&Sequential, program, placement, inputs),
    }
}

/// A model's program, compiled for the second end, and its outputs, which at either are the same to the bit.
pub fn run_model(model: &Model, options: &Options, inputs: &[TensorView<'_>]) -> (Program, Vec<Tensor>) {
    let [before, after] = ENDS.map(|placement| {
        let program = model.compile(&options.clone().placement(placement)).unwrap_or_else(|e| panic!("{e}"));
        let outputs = run(&program, placement, inputs);
        (program, outputs)
    });
    let [first, second] = [&before, &after].map(|(_, outputs)| bits(outputs.iter().map(Tensor::data)));
    assert!(first == second, "its outputs differ between the ends");
    after
}
