//! Speed of single layers beside the machine's FMA peak, both measured in turn in one run.
//!
//! `cargo bench --bench kernels [FILTER]`. One thread, warm; a line gives the median of the rounds as
//! GFLOP/s, the peak of the same rounds, and the median of their quotients.

use std::hint::black_box;
use std::time::Instant;

use convc::code::Backend;
use convc::kernels::ir::{Arg, Count, Inst, Int, Kernel, Operand, Ptr, Spills, Stmt, Vreg};
use convc::kernels::step::{Base, Call, CallArg, KernelId, Lowered, Nest, Step};
use convc::pipeline;
use convc::runtime::Loaded;
use convc::target::Target;
use convc::{Math, Model, Options, Tensor};

/// How long one measurement takes at least.
const SLICE_SECONDS: f64 = 0.02;
/// Measurements of each side, in turn.
const ROUNDS: usize = 15;

/// Independent accumulators of the peak: two FMAs a cycle with a latency of four need eight.
const CHAINS: u32 = 12;
/// Iterations of the peak's loop in one run.
const PEAK_LOOPS: i64 = 20_000;

/// A program that does nothing but FMAs.
fn peak_program(backend: Backend) -> Loaded {
    let (x, one) = (Ptr(0), Vreg(CHAINS));
    let mut body: Vec<Stmt> = (0..=CHAINS)
        .map(|v| {
            Stmt::Inst(Inst::Load { dst: Vreg(v), addr: convc::kernels::ir::Addr { ptr: x, offset: 0 } })
        })
        .collect();
    let fma = |v| Stmt::Inst(Inst::Fma { acc: Vreg(v), a: one, b: Operand::Reg(one) });
    body.push(Stmt::Loop {
        count: Count::Int(Int(1)),
        body: (0..CHAINS * 4).map(|i| fma(i % CHAINS)).collect(),
    });
    let store =
        |v| Stmt::Inst(Inst::Store { addr: convc::kernels::ir::Addr { ptr: x, offset: 0 }, src: Vreg(v) });
    body.extend((0..CHAINS).map(store));
    let kernel = Kernel {
        name: "peak".into(),
        args: vec![Arg::Ptr(x), Arg::Int],
        vregs: CHAINS + 1,
        ptrs: 1,
        body,
        spills: Spills::Refused,
    };
    let pointer = CallArg::Ptr { base: Base::Arena, offset: 0, strides: Vec::new(), tables: Vec::new() };
    let call = Call { kernel: KernelId(0), args: vec![pointer, CallArg::Int(PEAK_LOOPS)] };
    let lowered = Lowered {
        kernels: vec![kernel],
        prepare: Vec::new(),
        run: vec![Step { name: "peak".into(), nests: vec![Nest::new(Vec::new(), vec![call])] }],
        consts: Vec::new(),
        packed_bytes: 0,
        arena_bytes: 64,
        local_bytes: 0,
        input_bytes: Vec::new(),
        output_bytes: Vec::new(),
        param_bytes: Vec::new(),
    };
    let code = pipeline::assemble(&lowered, &Target::host(), backend).expect("the peak assembles");
    Loaded::load(&code).expect("the peak loads")
}

/// Seconds of one call, repeated for a slice of time.
fn seconds(mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    let mut calls = 0;
    loop {
        work();
        calls += 1;
        let spent = start.elapsed().as_secs_f64();
        if spent > SLICE_SECONDS {
            return spent / f64::from(calls);
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A layer: its name, its text, the input's axes, and its multiply-adds.
struct Layer {
    name: &'static str,
    text: &'static str,
    dims: [usize; 3],
    multiply_adds: f64,
}

const LAYERS: &[Layer] = &[
    Layer {
        name: "3x3 64->64 @56",
        text: "model m {\n  input x [64, 56, 56]\n  c = conv(kernel=3, pad=1, out=64)\n  relu\n}\n",
        dims: [64, 56, 56],
        multiply_adds: 64.0 * 64.0 * 9.0 * 56.0 * 56.0,
    },
    Layer {
        name: "3x3 128->128 @28",
        text: "model m {\n  input x [128, 28, 28]\n  c = conv(kernel=3, pad=1, out=128)\n  relu\n}\n",
        dims: [128, 28, 28],
        multiply_adds: 128.0 * 128.0 * 9.0 * 28.0 * 28.0,
    },
    Layer {
        name: "3x3 256->256 @14",
        text: "model m {\n  input x [256, 14, 14]\n  c = conv(kernel=3, pad=1, out=256)\n  relu\n}\n",
        dims: [256, 14, 14],
        multiply_adds: 256.0 * 256.0 * 9.0 * 14.0 * 14.0,
    },
    Layer {
        name: "3x3 512->512 @7",
        text: "model m {\n  input x [512, 7, 7]\n  c = conv(kernel=3, pad=1, out=512)\n  relu\n}\n",
        dims: [512, 7, 7],
        multiply_adds: 512.0 * 512.0 * 9.0 * 7.0 * 7.0,
    },
    Layer {
        name: "7x7/2 3->64 @224",
        text: "model m {\n  input x [3, 224, 224]\n  c = conv(kernel=7, stride=2, pad=3, out=64)\n  relu\n}\n",
        dims: [3, 224, 224],
        multiply_adds: 3.0 * 64.0 * 49.0 * 112.0 * 112.0,
    },
    Layer {
        name: "1x1 256->64 @56",
        text: "model m {\n  input x [256, 56, 56]\n  c = conv(kernel=1, out=64)\n  relu\n}\n",
        dims: [256, 56, 56],
        multiply_adds: 256.0 * 64.0 * 56.0 * 56.0,
    },
    Layer {
        name: "3x3/2 64->128 @56",
        text: "model m {\n  input x [64, 56, 56]\n  c = conv(kernel=3, stride=2, pad=1, out=128)\n  relu\n}\n",
        dims: [64, 56, 56],
        multiply_adds: 64.0 * 128.0 * 9.0 * 28.0 * 28.0,
    },
    Layer {
        name: "dw 3x3 128 @56",
        text: "model m {\n  input x [128, 56, 56]\n  c = conv(kernel=3, pad=1, out=128, groups=128)\n  relu\n}\n",
        dims: [128, 56, 56],
        multiply_adds: 128.0 * 9.0 * 56.0 * 56.0,
    },
    Layer {
        name: "3x3 1->1 @1024",
        text: "model m {\n  input x [1, 1024, 1024]\n  c = conv(kernel=3, pad=1, out=1)\n  relu\n}\n",
        dims: [1, 1024, 1024],
        multiply_adds: 9.0 * 1024.0 * 1024.0,
    },
];

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    println!("{:<20} {:<16} {:>9} {:>9} {:>9} {:>7}", "layer", "backend", "µs", "GFLOP/s", "peak", "share");
    for layer in
        LAYERS.iter().filter(|l| wanted.is_empty() || wanted.iter().any(|w| l.name.contains(w.as_str())))
    {
        let best = Options::default().resolved_backend();
        measure(layer, best, Math::Default);
        measure(layer, best, Math::Strict);
        if best != Backend::Cranelift {
            measure(layer, Backend::Cranelift, Math::Default);
        }
    }
}

fn measure(layer: &Layer, backend: Backend, math: Math) {
    // The peak is the machine's: always by the widest emitter.
    let peak = peak_program(Options::default().resolved_backend());
    let mut peak_scratch = peak.scratch(1).expect("there is memory");
    let packed = peak.prepare::<&[f32]>(&[]).expect("nothing to pack");
    let peak_flops = f64::from(CHAINS * 4) * 16.0 * PEAK_LOOPS as f64;

    let model = Model::from_str("layer", layer.text).expect("the text parses");
    let program = model
        .compile(&Options::default().input(layer.dims).backend(backend).math(math))
        .expect("it compiles");
    let mut x = Tensor::zeros(&layer.dims).expect("there is memory");
    for (i, v) in x.data_mut().iter_mut().enumerate() {
        *v = (i % 97) as f32 / 97.0 - 0.5;
    }
    let mut scratch = program.scratch().expect("there is memory");
    let mut y = vec![0.0f32; program.outputs()[0].dims.iter().product()];
    let (mut times, mut rates, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let p = seconds(|| {
            peak.run::<&[f32]>(&packed, &[], &mut peak_scratch, &[], &mut []).expect("the peak runs");
        });
        let t = seconds(|| {
            program.run_into(&mut scratch, &[x.view()], &mut [&mut y]).expect("the layer runs");
            black_box(&y);
        });
        // The first round warms up.
        if round > 0 {
            let (flops, top) = (2.0 * layer.multiply_adds / t, peak_flops / p);
            times.push(t);
            rates.push((flops, top));
            shares.push(flops / top);
        }
    }
    let gflops = median(rates.iter().map(|r| r.0 / 1e9).collect());
    let top = median(rates.iter().map(|r| r.1 / 1e9).collect());
    println!(
        "{:<20} {:<16} {:>9.1} {:>9.1} {:>9.1} {:>6.1}%",
        layer.name,
        format!("{backend:?}{}", if math == Math::Strict { " strict" } else { "" }),
        median(times) * 1e6,
        gflops,
        top,
        100.0 * median(shares)
    );
}
