//! What threads bring: a network on one thread and on several, measured in turn in one run, and whether the
//! results are the same to the bit.
//!
//! `cargo run --release --example threads [MODEL.conv …]`

use std::time::{Duration, Instant};

use convc::runtime::{Executor, Pool, Sequential};
use convc::{Model, Options, Program, Tensor, TensorView};

/// Runs of each side, in turn; the least time of each counts.
const ROUNDS: usize = 40;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    hand_out();
    let given: Vec<String> = std::env::args().skip(1).collect();
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/resnet18.conv").to_owned();
    for path in if given.is_empty() { vec![own] } else { given } {
        let program = Model::from_path(&path)?.compile(&Options::default().threads(1))?;
        println!("{path}");
        equal(&program)?;
        measure(&program)?;
    }
    Ok(())
}

/// What it costs to hand out parts that do nothing.
fn hand_out() {
    for threads in 2..=Pool::available().max(2) {
        let pool = Pool::new(threads);
        let rounds = 20_000;
        let start = Instant::now();
        (0..rounds).for_each(|_| pool.run(threads, &|_| ()));
        let each = start.elapsed() / rounds;
        println!("{threads} threads: {} ns to hand out {threads} parts and wait for them", each.as_nanos());
    }
}

/// A batch of numbers for every input.
fn batch(program: &Program, samples: usize) -> Result<Vec<Tensor>, convc::Error> {
    let tensor = |port: &convc::Port| {
        let mut shape = port.dims.clone();
        if port.batched {
            shape.insert(0, samples);
        }
        let data = (0..shape.iter().product()).map(|i| (i * 7919 % 2003) as f32 / 1000.0 - 1.0).collect();
        Ok(Tensor::new(&shape, data)?)
    };
    program.inputs().iter().map(tensor).collect()
}

fn equal(program: &Program) -> Result<(), convc::Error> {
    for samples in [1, 5] {
        let inputs = batch(program, samples)?;
        let views: Vec<TensorView<'_>> = inputs.iter().map(Tensor::view).collect();
        let bits = |executor: &dyn Executor| -> Result<Vec<u32>, convc::Error> {
            let outputs = program.run_on(executor, &views)?;
            Ok(outputs.iter().flat_map(|t| t.data().iter().map(|x| x.to_bits())).collect())
        };
        let expected = bits(&Sequential)?;
        for threads in [2, 7] {
            let same = bits(&Pool::new(threads))? == expected;
            println!(
                "batch {samples}, {threads} threads: {}",
                if same { "the same bits" } else { "OTHER BITS" }
            );
        }
    }
    Ok(())
}

fn measure(program: &Program) -> Result<(), convc::Error> {
    let inputs = batch(program, 1)?;
    let views: Vec<TensorView<'_>> = inputs.iter().map(Tensor::view).collect();
    let mut memory: Vec<Vec<f32>> =
        program.outputs().iter().map(|port| vec![0.0; port.dims.iter().product()]).collect();
    let mut outputs: Vec<&mut [f32]> = memory.iter_mut().map(Vec::as_mut_slice).collect();
    let pools: Vec<Pool> = (1..=Pool::available()).map(Pool::new).collect();
    let mut scratch = program.scratch_for(pools.len())?;
    let mut least = vec![Duration::MAX; pools.len()];
    for _ in 0..ROUNDS {
        for (pool, least) in pools.iter().zip(&mut least) {
            // The first run of a pool wakes its threads.
            for _ in 0..2 {
                let start = Instant::now();
                program.run_into_on(pool, &mut scratch, &views, &mut outputs)?;
                *least = start.elapsed().min(*least);
            }
        }
    }
    for (pool, time) in pools.iter().zip(&least) {
        let ratio = least[0].as_secs_f64() / time.as_secs_f64();
        println!("{} threads: {:.3} ms, {ratio:.2} times one", pool.threads(), time.as_secs_f64() * 1e3);
    }
    Ok(())
}
