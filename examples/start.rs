//! What it takes from a network's bytes in memory to the first result, once in this process: a cold start.
//!
//! `cargo run --release --example start -- MODEL.onnx [THREADS]` prints one line of JSON, times in ms. `benches/start.py`
//! does it many times, in turn with other runtimes.

use std::time::Instant;

use convc::{Model, Options, Tensor, TensorView};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let path = args.next().ok_or("give an ONNX file")?;
    let threads = args.next().map_or(Ok(1), |n| n.parse())?;
    let bytes = std::fs::read(&path)?;
    let options = Options::default().threads(threads);

    let start = Instant::now();
    let ms = || 1e3 * start.elapsed().as_secs_f64();
    let model = Model::from_onnx_bytes(&path, bytes, None, &Default::default())?;
    let loaded = ms();
    let program = model.compile(&options)?;
    let compiled = ms();
    // Like the others' inputs and outputs, these are the caller's.
    let dims = program.inputs().iter().map(|port| match port.batched {
        true => [&[1], port.dims.as_slice()].concat(),
        false => port.dims.clone(),
    });
    let inputs: Vec<Tensor> = dims.map(|dims| Tensor::zeros(&dims)).collect::<Result<_, _>>()?;
    let views: Vec<TensorView<'_>> = inputs.iter().map(Tensor::view).collect();
    let begun = ms();
    let outputs = program.run(&views)?;
    let run = ms() - begun;
    std::hint::black_box(&outputs);

    let stats = program.stats();
    let parts = [
        ("load", loaded),
        ("compile", compiled - loaded),
        ("first_run", run),
        ("total", compiled + run),
        ("check", 1e3 * stats.check.as_secs_f64()),
        ("plan", 1e3 * stats.plan.as_secs_f64()),
        ("lower", 1e3 * stats.lower.as_secs_f64()),
        ("assemble", 1e3 * stats.assemble.as_secs_f64()),
        ("map", 1e3 * stats.load.as_secs_f64()),
        ("weights", 1e3 * stats.weights.as_secs_f64()),
        ("pack", 1e3 * stats.pack.as_secs_f64()),
    ];
    let parts: Vec<String> = parts.iter().map(|(name, ms)| format!("\"{name}_ms\": {ms:.3}")).collect();
    println!("{{{}}}", parts.join(", "));
    Ok(())
}
