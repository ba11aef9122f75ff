//! Single layers and whole nets, beside the machine's FMA peak and copy bandwidth.
//!
//! `cargo bench --bench programs [FILTER]`, on one thread. Throughput is in floating-point operations of the direct
//! algorithm (that of copies in bytes read and written), so a layer's quotient with `machine/fma` is its share of the
//! peak. `convc bench` gives these shares itself, layer by layer; this is for comparing versions of the compiler.

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use convc::kernels::roof;
use convc::kernels::step::Lowered;
use convc::model::parts;
use convc::runtime::Loaded;
use convc::{Model, Options, Tensor, pipeline};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};

/// Layers, each with bias and relu: a name, the input's axes and the layer as a text.
const LAYERS: &[(&str, &str, &str)] = &[
    ("L1 3x3 64-64 @56", "[64, 56, 56]", "conv(kernel=3, pad=1, out=64)"),
    ("L2 3x3 128-128 @28", "[128, 28, 28]", "conv(kernel=3, pad=1, out=128)"),
    ("L3 3x3 256-256 @14", "[256, 14, 14]", "conv(kernel=3, pad=1, out=256)"),
    ("L4 3x3 512-512 @7", "[512, 7, 7]", "conv(kernel=3, pad=1, out=512)"),
    ("L5 7x7 stride 2 3-64 @224", "[3, 224, 224]", "conv(kernel=7, stride=2, pad=3, out=64)"),
    ("L6 1x1 256-64 @56", "[256, 56, 56]", "conv(kernel=1, out=64)"),
    ("L7 3x3 stride 2 64-128 @56", "[64, 56, 56]", "conv(kernel=3, stride=2, pad=1, out=128)"),
    ("L8 depthwise 3x3 128 @56", "[128, 56, 56]", "conv(kernel=3, pad=1, out=128, groups=128)"),
    ("L9 5x5 1-32 @256", "[1, 256, 256]", "conv(kernel=5, pad=2, out=32)"),
    ("L10 3x3 1-1 @1024", "[1, 1024, 1024]", "conv(kernel=3, pad=1, out=1)"),
    ("L11 3x3 dilation 2 64-64 @56", "[64, 56, 56]", "conv(kernel=3, pad=2, dilation=2, out=64)"),
    ("L12 1x1 512-512 @14", "[512, 14, 14]", "conv(kernel=1, out=512)"),
];

/// Whole nets among the examples; weights that no file gives are seeded.
const NETS: &[&str] = &["lenet", "resnet18", "mobilenet_v1", "squeezenet", "unet", "upscale4x", "edges"];

/// What sizes without a default are taken as.
const SIDE: u64 = 256;
/// Iterations of the FMA peak in a call.
const FMA_LOOPS: u32 = 4000;
/// Bytes of one array of a copy, and how often a call copies it.
const COPIES: &[(&str, u32, u32)] =
    &[("L1", 8 << 10, 256), ("L2", 96 << 10, 16), ("L3", 4 << 20, 1), ("memory", 256 << 20, 1)];

fn machine(c: &mut Criterion) {
    let mut group = group(c, "machine");
    let target = Options::default().resolved_target();
    for wide in [false, true].into_iter().filter(|wide| !wide || target.has_wide()) {
        let (lowered, flops) = roof::fma(FMA_LOOPS, 1, wide);
        let fma = load(&lowered);
        let mut scratch = fma.scratch(1).expect("there is memory");
        let packed = fma.prepare::<&[f32]>(&[]).expect("nothing to pack");
        group.throughput(Throughput::Elements(flops));
        group.bench_function(if wide { "fma of 512 bits" } else { "fma" }, |b| {
            b.iter(|| fma.run::<&[f32]>(&packed, &[], &mut scratch, &[], &mut []).expect("it runs"));
        });
    }
    for &(level, bytes, times) in COPIES {
        let (lowered, bytes) = roof::copy(bytes, times);
        let copy = load(&lowered);
        let mut scratch = copy.scratch(1).expect("there is memory");
        let packed = copy.prepare::<&[f32]>(&[]).expect("nothing to pack");
        // Pages that nobody has written would all be the same page of zeros.
        let (x, mut y) = (vec![1.0f32; bytes as usize / 4], vec![1.0f32; bytes as usize / 4]);
        group.throughput(Throughput::Bytes(2 * bytes * u64::from(times)));
        group.bench_function(format!("copy in {level}"), |b| {
            b.iter(|| copy.run::<&[f32]>(&packed, &[], &mut scratch, &[&x], &mut [&mut y]).expect("it runs"));
        });
    }
}

fn layers(c: &mut Criterion) {
    let mut group = group(c, "layer");
    for (name, input, layer) in LAYERS {
        let text = format!("model m {{\n  input x {input}\n  c = {layer}\n  relu\n}}\n");
        program(&mut group, name, &Model::from_str("layer", &text).expect("the text parses"));
    }
}

fn nets(c: &mut Criterion) {
    let mut group = group(c, "net");
    for name in NETS {
        let path = Path::new("examples").join(format!("{name}.conv"));
        program(&mut group, name, &Model::from_path(path).expect("an example parses"));
    }
}

fn program(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, model: &Model) {
    let signature = model.signature(None);
    let sizes = signature.sizes.iter().map(|(name, default)| (name, default.unwrap_or(SIDE)));
    let options = sizes.fold(Options::default().threads(1), |options, (name, n)| options.size(name, n));
    let program = model.compile(&options).expect("it compiles");
    let flops: u64 = parts(&program, &options).expect("it plans").iter().map(|part| part.work.flops).sum();
    let input = |port: &convc::Port| {
        let mut x = Tensor::zeros(&port.dims).expect("there is memory");
        x.data_mut().iter_mut().enumerate().for_each(|(i, v)| *v = (i % 97) as f32 / 97.0 - 0.5);
        x
    };
    let inputs: Vec<Tensor> = program.inputs().iter().map(input).collect();
    let views: Vec<_> = inputs.iter().map(Tensor::view).collect();
    let mut outputs = program.outputs_for(&views).expect("there is memory");
    let mut slices: Vec<&mut [f32]> = outputs.iter_mut().map(Tensor::data_mut).collect();
    let mut scratch = program.scratch().expect("there is memory");
    group.throughput(Throughput::Elements(flops));
    group.bench_function(name, |b| {
        b.iter(|| {
            program.run_into(&mut scratch, &views, &mut slices).expect("it runs");
            black_box(&slices);
        });
    });
}

fn group<'a>(c: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = c.benchmark_group(name);
    group.sample_size(20).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    group
}

fn load(lowered: &Lowered) -> Loaded {
    let options = Options::default();
    let code = pipeline::assemble(lowered, &options.resolved_target(), options.resolved_backend());
    Loaded::load(&code.expect("it assembles")).expect("it loads")
}

criterion_group!(benches, machine, layers, nets);
criterion_main!(benches);
