//! Fields against the evaluator: an input element is seen if the output changes with it.

use super::*;
use crate::graph::check::{CheckOptions, check};
use crate::graph::eval::evaluate;
use crate::source::Source;
use crate::syntax::parse;
use crate::tensor::Tensor;

fn graph(body: &str) -> Graph {
    let source = Source::new("m", format!("model m {{\n{body}\n}}\n"));
    let (file, syntax) = parse(&source);
    let checked = check(&file, &CheckOptions::default());
    assert!(syntax.is_empty() && !checked.has_errors(), "{body}: {syntax:?} {:?}", checked.diagnostics);
    checked.graph.expect("every size is bound")
}

/// The input's rows and columns on which an output position depends: positive inputs and weights,
/// one element raised at a time.
fn seen(graph: &Graph, at: [usize; 2]) -> Option<[Interval; 2]> {
    let ty = graph.ty(graph.inputs[0].value);
    let [c, h, w] = ty.chw().unwrap().map(|d| d as usize);
    let params: Vec<Tensor> = graph
        .params
        .iter()
        .map(|p| {
            let shape: Vec<usize> = p.dims.iter().map(|&d| d as usize).collect();
            Tensor::new(&shape, vec![0.25; shape.iter().product()]).unwrap()
        })
        .collect();
    let run = |data: Vec<f32>| {
        let x = Tensor::new(&[1, c, h, w], data).unwrap();
        let outputs = evaluate(graph, &[x.view()], &params).unwrap();
        let y = &outputs[0];
        let [.., oh, ow] = *y.shape() else { panic!() };
        let plane: Vec<f32> = y.data().chunks(oh * ow).map(|p| p[at[0] * ow + at[1]]).collect();
        plane
    };
    let base = vec![1.0; c * h * w];
    let before = run(base.clone());
    let mut out: Option<[Interval; 2]> = None;
    for i in 0..h {
        for j in 0..w {
            let mut raised = base.clone();
            for k in 0..c {
                raised[(k * h + i) * w + j] += 2.0;
            }
            if run(raised) != before {
                let here = [i, j].map(|p| Interval { first: p as i64, last: p as i64 });
                out = Some(out.map_or(here, |o| [o[0].hull(here[0]), o[1].hull(here[1])]));
            }
        }
    }
    out
}

const MODELS: &[&str] = &[
    "input x [1, 11, 9]\nconv(kernel=3, pad=1, out=1)",
    "input x [1, 11, 9]\nconv(kernel=(3, 2), stride=(2, 1), pad=((2, 1), (0, 3)), dilation=(1, 2), out=1)",
    "input x [1, 12, 13]\nconv(kernel=3, out=1)\nmaxpool(2)\nconv(kernel=2, out=1)",
    "input x [1, 12, 13]\navgpool(3, stride=2, pad=1, ceil_mode=true)\nconv(kernel=3, pad=1, out=1)",
    "input x [1, 9, 9]\nfilter(box(5), pad=((4, 0), (3, 1)), border=reflect)",
    "input x [1, 9, 9]\nfilter(box(5), pad=((1, 3), (4, 0)), border=reflect)",
    "input x [1, 9, 9]\nfilter(box(3), pad=1, border=wrap)",
    "input x [1, 9, 9]\nfilter(box(3), pad=1, border=replicate)",
    "input x [1, 5, 6]\nconv_transpose(kernel=4, stride=2, pad=1, out=1)\nconv(kernel=3, pad=1, out=1)",
    "input x [1, 5, 6]\nconv_transpose(kernel=3, dilation=2, pad=2, out=1)",
    "input x [1, 5, 6]\nupsample(scale=3)\nconv(kernel=3, pad=1, out=1)",
    "input x [1, 7, 6]\nconv(kernel=3, out=1)\nupsample(scale=2, mode=bilinear)",
    "input x [4, 5, 6]\nconv(kernel=3, pad=1, out=4)\npixel_shuffle(2)\nconv(kernel=2, out=1)",
    "input x [1, 9, 9]\ncrop(top=2, left=1)\npad(((1, 2), (3, 0)))\nconv(kernel=2, out=1)",
    "input x [1, 9, 9]\na = conv(kernel=3, pad=1, out=1)\nb = x |> conv(kernel=(1, 5), pad=(0, 2), out=1)\na + b",
    "input x [1, 8, 8]\na = conv(kernel=3, pad=1, out=1)\nconcat(a, x, axis=1)\nconv(kernel=3, pad=1, out=1)",
    "input x [1, 9, 12]\nslice(axis=1, start=1, step=3)\nslice(axis=-1, start=2, end=-2, step=2)",
    "input x [1, 9, 9]\nslice(axis=2, step=-1)\nconv(kernel=(1, 3), pad=(0, 2), out=1)",
    "input x [2, 9, 9]\npad(before=[1, 2, 0], after=[0, 0, 3])\nconv(kernel=2, out=1)",
    "input x [2, 8, 12]\nspace_to_depth(2)\nconv(kernel=2, pad=1, out=1)",
    "input x [2, 6, 6]\nconv(kernel=3, pad=1, out=2)\nspace_to_depth(3, order=crd)\nreduce_sum(axes=[0])",
    "input x [8, 4, 5]\nconv(kernel=2, out=8)\ndepth_to_space(2)\nconv(kernel=3, pad=1, out=1)",
    "input x [1, 8, 8]\na = avgpool(2)\nb = a |> upsample(scale=2)\nx + b",
];

#[test]
fn pulled_back_intervals_are_what_the_output_depends_on() {
    for body in MODELS {
        let graph = graph(body);
        let output = graph.outputs[0].value;
        let [_, h, w] = graph.ty(output).chw().unwrap();
        for (i, j) in [(0, 0), (h - 1, w - 1), (h / 2, w / 2), (0, w / 2), (h / 2 + 1, 1)] {
            let (i, j) = (i.min(h - 1), j.min(w - 1));
            let point = [i, j].map(|p| Interval { first: p as i64, last: p as i64 });
            let region = pull(&graph, output, point)[graph.inputs[0].value.index()];
            assert!(region.is_none_or(|r| !r.global));
            let pulled = region.and_then(|r| r.local);
            let want = seen(&graph, [i as usize, j as usize]);
            if body.contains("dilation") {
                // What lies between dilated taps is counted in.
                let Some(want) = want else { continue };
                let pulled = pulled.expect("it depends on x");
                assert_eq!([0, 1].map(|a| pulled[a].hull(want[a])), pulled, "{body}\nposition {i}, {j}");
            } else {
                assert_eq!(pulled, want, "{body}\nposition {i}, {j}");
            }
        }
    }
}

#[test]
fn regular_fields_are_pulled_back_intervals_everywhere() {
    for body in MODELS {
        let graph = graph(body);
        let input = &graph.inputs[0];
        let sizes = graph.ty(input.value).chw().unwrap();
        for ((value, node), field) in graph.values().zip(fields(&graph, input)) {
            let (Some(field), Some([_, h, w])) = (field, node.ty.chw()) else { continue };
            let Some(local) = field.local else {
                // On the way to blocks, axes are mixed one by one.
                assert!(body.contains("space_to_depth"), "{body} {}", node.name);
                continue;
            };
            for (axis, m) in [(0, h), (1, w)] {
                let Extent::Regular { size, stride, start } = local[axis] else { continue };
                for o in 0..m {
                    let mut point = [Interval { first: 0, last: 0 }; 2];
                    point[axis] = Interval { first: o as i64, last: o as i64 };
                    let first = start + (stride * o) as i64;
                    let nominal = Interval { first, last: first + size as i64 - 1 };
                    let inside = Interval { first: 0, last: sizes[1 + axis] as i64 - 1 };
                    let region = pull(&graph, value, point)[input.value.index()];
                    let Some(pulled) = region.and_then(|r| r.local).map(|l| l[axis]) else {
                        // Nothing but padding, here or along the other axis.
                        continue;
                    };
                    // A border may bring in more, from inside of the input.
                    let clipped = nominal.meet(inside).unwrap_or(pulled);
                    if body.contains("crop") {
                        // It hides what its neighbours would have seen.
                        assert_eq!(nominal.hull(pulled), nominal, "{body} {}", node.name);
                        continue;
                    }
                    if nominal.meet(inside) == Some(nominal) {
                        assert_eq!(pulled, nominal, "{body} {}", node.name);
                    }
                    assert_eq!(pulled.hull(clipped), pulled, "{body} {}", node.name);
                }
            }
        }
    }
}

#[test]
fn chains_have_size_stride_and_start() {
    // VGG's first two stages: 3×3, 3×3, pool, 3×3, 3×3, pool.
    let graph = graph(
        "input x [3, 32, 32]\nrepeat 2 { repeat 2 { conv(kernel=3, pad=1, out=4)\nrelu }\nmaxpool(2) }",
    );
    let last = fields(&graph, &graph.inputs[0]).pop().flatten().unwrap();
    // By hand: 1 → 3 → 5 → 6 (stride 2) → 10 → 14 → 16 (stride 4); start 0 → −1 → −2 → −2 → −4 → −6 → −6.
    let want = Extent::Regular { size: 16, stride: 4, start: -6 };
    assert_eq!(last, Field { local: Some([want, want]), global: false });
}

#[test]
fn phases_differ_behind_a_resize() {
    let graph = graph("input x [1, 9, 9]\nupsample(scale=2)\nconv(kernel=3, pad=1, out=1)");
    let last = fields(&graph, &graph.inputs[0]).pop().flatten().unwrap();
    // Output 8 reads rows 7..=9 of the upsampled value, which are rows 3..=4 of the input.
    let want = Extent::Interval { at: 8, seen: Interval { first: 3, last: 4 }, size: 2 };
    assert_eq!(last.local, Some([want, want]));
}

#[test]
fn global_layers_see_everything_and_the_local_field_is_kept_beside() {
    let graph = graph(
        "input x [4, 8, 8]\ny = conv(kernel=3, pad=1, out=4)\ng = y |> global_avgpool |> sigmoid\nz = y * g\nz |> flatten |> linear(out=2)",
    );
    let all = fields(&graph, &graph.inputs[0]);
    let of = |name: &str| {
        let found = graph.values().find(|(_, n)| n.name == name).map(|(v, _)| v).unwrap();
        all[found.index()].unwrap()
    };
    let three = Extent::Regular { size: 3, stride: 1, start: -1 };
    assert_eq!(of("g"), Field { local: None, global: true });
    assert_eq!(of("z"), Field { local: Some([three, three]), global: true });
    let last = graph.outputs[0].value;
    assert_eq!(all[last.index()], Some(Field { local: None, global: true }));
}

#[test]
fn mixed_positions_are_seen_as_all() {
    for (layers, global) in [
        ("permute([0, 2, 1])", false),
        ("permute([1, 0, 2])", true),
        ("reshape([2, 8, 2, 4])", true),
        ("reshape([2, 2, 8, 4])", false),
        ("reduce_max(axes=[2])", true),
        ("reduce_max(axes=[0])", false),
        ("softmax(axis=1)", true),
        ("log_softmax(axis=-1)", true),
        ("log_softmax(axis=0)", false),
        ("group_norm(2)", true),
        ("instance_norm", true),
        ("layer_norm", true),
        ("permute([0, 2, 1])\nslice(axis=1, end=1)\nlayer_norm(axes=2)", true),
        ("slice(axis=2, end=1)\nlayer_norm", false),
        ("lrn(3)", false),
        ("matmul(it, w)", true),
        ("matmul(w, it)", true),
    ] {
        let graph =
            graph(&format!("input x [4, 8, 4]\nparam w [4, 8]\n{layers}\ny = it\nw |> reduce_sum\noutput y"));
        let last = fields(&graph, &graph.inputs[0]).pop().flatten().unwrap();
        assert_eq!((last.local.is_none(), last.global), (global, global), "{layers}");
    }
}

/// Values with fewer than three axes have one row and one column, however they are cut.
#[test]
fn flat_values_have_one_position() {
    let graph = graph("input x [6]\nslice(axis=0, start=2)\npad(before=[3])\nreshape([7, 1, 1])");
    let last = fields(&graph, &graph.inputs[0]).pop().flatten().unwrap();
    let one = Extent::Regular { size: 1, stride: 1, start: 0 };
    assert_eq!(last, Field { local: Some([one, one]), global: false });
}

#[test]
fn an_input_that_is_not_used_has_no_field() {
    let graph = graph("input a [1, 8, 8]\ninput b [1, 8, 8]\nc = a + 1\nd = b + 1\noutput c, d");
    let [c, d] = [0, 1].map(|i| graph.outputs[i].value.index());
    let all = [0, 1].map(|i| fields(&graph, &graph.inputs[i]));
    assert!(all[0][c].is_some() && all[0][d].is_none() && all[1][c].is_none() && all[1][d].is_some());
}
