//! Depth-first fusion: strips give the bits that whole pictures give.

use convc::code::Backend;
use convc::graph::Graph;
use convc::kernels::interpret::{self, FmaRounding, Memory};
use convc::kernels::step::{Base, Lowered};
use convc::kernels::verify;
use convc::plan::PlanOptions;
use convc::runtime::Pool;
use convc::runtime::params::Params;
use convc::target::Target;
use convc::{Model, Options, pipeline};
use proptest::prelude::*;

use crate::fenced;

/// A chain of layers on a picture.
fn graph_of(layers: &[&str], dims: [usize; 3]) -> Option<Graph> {
    let mut text = format!("model m {{\n  input x [{}, {}, {}]\n", dims[0], dims[1], dims[2]);
    for (n, layer) in layers.iter().enumerate() {
        text += &format!("  {}\n", layer.replace("{n}", &n.to_string()));
    }
    text += "}\n";
    let model = Model::from_str("model.conv", &text).expect("the text parses");
    // Layers may not fit the sizes that others leave.
    let (graph, _) = model.graph(&Options::default()).ok()?;
    Some(pipeline::optimise(&pipeline::specialise(&graph, &[], convc::Math::Default)))
}

/// A plan for a machine with a second-level cache of some bytes: the smaller it is, the more pays. Gives how many groups
/// there are, and the most strips in a band.
fn lowered(graph: &Graph, l2_bytes: u32) -> (usize, u64, Lowered) {
    let target = Target { l2_bytes, ..Target::host() };
    let plan = pipeline::plan(graph, &PlanOptions::strict(target)).expect("there is a plan");
    assert_eq!(convc::plan::verify(&plan), Vec::<String>::new());
    let lowered = pipeline::lower(&plan).expect("the plan is lowered");
    let problems: Vec<String> = verify::verify(&lowered).iter().map(ToString::to_string).collect();
    assert_eq!(problems, Vec::<String>::new(), "\n{}", convc::plan::print(&plan));
    (plan.strips.len(), plan.strips.iter().map(|strips| strips.band).max().unwrap_or(0), lowered)
}

fn input(len: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 7919 % 1013) as f32 - 506.0) / 100.0).collect()
}

fn compiled(graph: &Graph, lowered: &Lowered, threads: usize) -> Vec<Vec<u32>> {
    let backend = Options::default().resolved_backend();
    let code = pipeline::assemble(lowered, &Target::host(), backend).expect("the code is assembled");
    let params = Params::seeded(graph, 3).expect("there is memory");
    let x = input(lowered.input_bytes[0] as usize / 4);
    let results = fenced::run_code(&code, &[&Pool::new(threads)], params.tensors(), &[&x]);
    results.iter().map(|y| y.iter().map(|v| v.to_bits()).collect()).collect()
}

fn interpreted(graph: &Graph, lowered: &Lowered) -> Vec<Vec<u32>> {
    let rounding = if Target::host().has_fma() { FmaRounding::Once } else { FmaRounding::Twice };
    let mut memory = Memory::new(lowered).expect("there is memory");
    let params = Params::seeded(graph, 3).expect("there is memory");
    for (i, param) in params.tensors().iter().enumerate() {
        memory.write(lowered, Base::Param(i as u32), param.data()).expect("a parameter fits");
    }
    let x = input(lowered.input_bytes[0] as usize / 4);
    memory.write(lowered, Base::Input(0), &x).expect("the input fits");
    interpret::run_prepare(lowered, &mut memory, rounding).expect("weights are packed");
    interpret::run(lowered, &mut memory, rounding).expect("the steps run");
    (0..lowered.output_bytes.len())
        .map(|i| memory.read(lowered, Base::Output(i as u32)).into_iter().map(f32::to_bits).collect())
        .collect()
}

/// Holds strips to the whole picture, bit for bit; gives how many groups there were, and the most strips in a band.
fn check(layers: &[&str], dims: [usize; 3]) -> (usize, u64) {
    let Some(graph) = graph_of(layers, dims) else { return (0, 0) };
    let (none, _, whole) = lowered(&graph, 1 << 30);
    assert_eq!(none, 0, "everything fits such a cache");
    let expected = compiled(&graph, &whole, 1);
    let mut most = (0, 0);
    for l2_bytes in [4 << 10, 32 << 10, 128 << 10] {
        let (groups, band, strips) = lowered(&graph, l2_bytes);
        most = (most.0.max(groups), most.1.max(band));
        for threads in [1, 3] {
            assert!(
                compiled(&graph, &strips, threads) == expected,
                "{layers:?} on {threads} threads, {l2_bytes} bytes"
            );
        }
        if dims.iter().product::<usize>() < 6000 {
            assert!(
                interpreted(&graph, &strips) == expected,
                "{layers:?} by the interpreter, {l2_bytes} bytes"
            );
        }
    }
    most
}

#[test]
fn image_pipelines_run_in_strips() {
    assert!(Options::default().resolved_backend() == Backend::X64 || !cfg!(target_arch = "x86_64"));
    let chains: &[&[&str]] = &[
        &[
            "filter(gaussian(5), pad=same, border=replicate)",
            "c{n} = conv(kernel=3, pad=1, out=2)",
            "it * it",
        ],
        &[
            "filter(gaussian(7), pad=same, border=reflect)",
            "filter([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], pad=same)",
        ],
        &[
            "c{n} = conv(kernel=3, pad=1, out=16)",
            "relu",
            "d{n} = conv(kernel=3, pad=1, out=16, groups=16)",
            "relu",
        ],
        &[
            "c{n} = conv(kernel=3, pad=2, dilation=2, out=12)",
            "maxpool(kernel=2, stride=2)",
            "c{n} = conv(kernel=1, out=9)",
        ],
        &[
            "c{n} = conv(kernel=(5, 1), pad=same, out=1)",
            "c{n} = conv(kernel=(1, 5), pad=same, out=1)",
            "c{n} = conv(kernel=3, pad=1, out=2)",
            "abs(it)",
            "c{n} = conv(kernel=1, out=1)",
        ],
        &[
            "avgpool(kernel=3, stride=1, pad=1, count_include_pad=false)",
            "c{n} = conv(kernel=3, stride=2, pad=1, out=8)",
        ],
    ];
    let mut band = 0;
    for layers in chains {
        let found = [[1, 131, 37], [3, 64, 24]].map(|dims| check(layers, dims));
        assert!(found.iter().any(|found| found.0 > 0), "{layers:?} has no strips");
        band = found.iter().fold(band, |band, found| band.max(found.1));
    }
    assert!(band > 2, "no strips go on in what others have left");
}

/// Windows that reach to one side only, two of different reach on one value, and strips at the edges all of whose rows lie in
/// a padding.
#[test]
fn branches_and_far_paddings_run_in_strips() {
    let chains: &[&[&str]] = &[
        &[
            "z = x |> conv(kernel=3, pad=1, out=1)",
            "a = z |> conv(kernel=3, pad=1, out=1)",
            "b = a |> conv(kernel=(1,3), pad=((0,0),(1,1)), out=1, border=reflect)",
            "c = a |> conv(kernel=(3,1), pad=((2,0),(0,0)), out=1)",
            "b + c",
        ],
        &[
            "a = x |> conv(kernel=3, pad=1, out=1)",
            "b = a |> conv(kernel=(1,3), pad=((0,0),(1,1)), out=1, border=reflect)",
            "c = a |> conv(kernel=(3,1), pad=((2,0),(0,0)), out=1)",
            "b + c",
        ],
        &[
            "z = x |> conv(kernel=3, pad=1, out=1)",
            "a = z |> conv(kernel=3, pad=1, out=1)",
            "b = a |> maxpool(kernel=(1,3), stride=(2,1), pad=((0,0),(1,1)))",
            "c = a |> conv(kernel=(3,1), stride=(2,1), pad=((1,1),(0,0)), out=1)",
            "b + c",
        ],
        &["c{n} = conv(kernel=3, pad=1, out=1)", "c{n} = conv(kernel=3, pad=3, out=1)", "relu"],
        &[
            "c{n} = conv(kernel=3, pad=1, out=1)",
            "pad(((20,20),(0,0)))",
            "c{n} = conv(kernel=3, pad=1, out=1)",
            "relu",
        ],
        &[
            "filter(gaussian(5), pad=same)",
            "c{n} = conv(kernel=3, pad=1, out=1)",
            "pad(((20,20),(0,0)))",
            "c{n} = conv(kernel=3, pad=1, out=1)",
            "relu",
        ],
        &[
            "c{n} = conv(kernel=3, pad=1, out=1)",
            "c{n} = conv(kernel=(15,1), pad=((14,0),(0,0)), border=reflect, out=1)",
            "relu",
        ],
        &[
            "c{n} = conv(kernel=3, pad=1, out=1)",
            "c{n} = conv(kernel=3, pad=1, out=1)",
            "d = conv(kernel=(1,1), pad=((20,20),(0,0)), out=1)",
            "d * d",
        ],
        &[
            "filter(gaussian(5), pad=same, border=replicate)",
            "filter(gaussian(3), pad=same, border=replicate)",
        ],
    ];
    let mut groups = 0;
    for layers in chains {
        for dims in [[1, 257, 40], [1, 132, 64], [1, 96, 19]] {
            groups += check(layers, dims).0;
        }
    }
    assert!(groups > 10, "{groups} groups");
}

#[test]
fn channels_that_do_not_mix_run_plane_by_plane() {
    let chains: &[&[&str]] = &[
        &["filter(gaussian(3), pad=same, border=replicate)"],
        &["filter(gaussian(5), pad=same, border=wrap)", "relu", "maxpool(kernel=3, stride=1, pad=1)"],
        &[
            "d{n} = conv(kernel=3, pad=1, out=37, groups=37)",
            "p{n} = prelu(per_channel=true)",
            "avgpool(kernel=2, stride=2)",
        ],
    ];
    for layers in chains {
        let graph = graph_of(layers, [37, 40, 24]).expect("the layers fit");
        let target = Target { l2_bytes: 64 << 10, ..Target::host() };
        let plan = pipeline::plan(&graph, &PlanOptions::strict(target)).expect("there is a plan");
        let planes = |s: &convc::plan::Strips| s.along == convc::plan::strips::Along::Planes;
        assert!(plan.strips.iter().any(planes), "{layers:?}\n{}", convc::plan::print(&plan));
        check(layers, [37, 40, 24]);
    }
}

const LAYERS: [&str; 17] = [
    "c{n} = conv(kernel=3, pad=1, out=2)",
    "c{n} = conv(kernel=(5, 1), pad=same, out=1, border=reflect)",
    "c{n} = conv(kernel=3, pad=1, out=11, border=replicate)",
    "c{n} = conv(kernel=3, stride=2, pad=1, out=8)",
    "c{n} = conv(kernel=1, out=16)",
    "filter(gaussian(5), pad=same)",
    "filter([[0, 1, 0], [1, -4, 1], [0, 1, 0]], pad=same, border=reflect)",
    "maxpool(kernel=3, stride=1, pad=1)",
    "maxpool(kernel=2, stride=2, ceil_mode=true)",
    "avgpool(kernel=3, stride=2, pad=1)",
    "relu",
    "abs(it) - 0.25",
    "p{n} = prelu",
    "it * sigmoid(it)",
    "c{n} = conv(kernel=(3, 1), pad=((2, 0), (0, 0)), out=1)",
    "pad(((7, 3), (0, 0)))",
    "a{n} = filter(box(3), pad=1, border=replicate)\n  (a{n} |> filter([[1, -1, 2]], pad=((0, 0), (1, 1)), border=reflect)) + (a{n} |> filter([[1], [2], [1]], pad=((2, 0), (0, 0))))",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn strips_change_no_bit(
        picks in prop::collection::vec(0..LAYERS.len(), 2..7),
        channels in prop_oneof![1usize..12, 16usize..40],
        height in 33usize..140,
        width in 3usize..30,
    ) {
        let layers: Vec<&str> = picks.iter().map(|&pick| LAYERS[pick]).collect();
        check(&layers, [channels, height, width]);
    }
}
