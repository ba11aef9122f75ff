//! Layers that move elements or sum them along axes, as text: the evaluator against loops over indices,
//! and every executor against the evaluator.

use convc::graph::Graph;
use convc::graph::check::{CheckOptions, check};
use convc::graph::eval::evaluate;
use convc::graph::shape::range;
use convc::source::Source;
use convc::syntax::parse;
use convc::tensor::Tensor;
use proptest::prelude::*;

use crate::executors::agree;

fn graph(statements: &str) -> Graph {
    let text = format!("model m {{\n{statements}\n}}\n");
    let source = Source::new("m.conv", text.as_str());
    let (file, errors) = parse(&source);
    assert!(errors.is_empty(), "{text}{errors:?}");
    let checked = check(&file, &CheckOptions::default());
    assert!(!checked.has_errors(), "{text}{:?}", checked.diagnostics);
    checked.graph.expect("every size is bound")
}

fn noise(dims: &[usize], seed: u32) -> Tensor {
    let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
    let data = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    });
    Tensor::new(dims, data.take(dims.iter().product()).collect()).expect("the lengths agree")
}

/// Every index of some axes, the last the fastest.
fn indices(dims: &[usize]) -> Vec<Vec<usize>> {
    dims.iter().fold(vec![Vec::new()], |all, &n| {
        all.iter().flat_map(|index| (0..n).map(|i| [index.as_slice(), &[i]].concat())).collect()
    })
}

/// An element by its index; axes of one element take any index.
fn at(x: &Tensor, index: &[usize]) -> f32 {
    let place = x.shape().iter().zip(index).fold(0, |place, (&n, &i)| place * n + if n == 1 { 0 } else { i });
    x.data()[place]
}

/// Runs a model and holds its one output to a function of the index, within rounding, and all executors
/// to each other.
fn holds(
    statements: &str,
    inputs: &[Tensor],
    params: &[Tensor],
    dims: &[usize],
    f: impl Fn(&[usize]) -> f32,
) {
    let graph = graph(statements);
    let views: Vec<_> = inputs.iter().map(Tensor::view).collect();
    let found = evaluate(&graph, &views, params).expect("it runs");
    assert_eq!(found[0].shape(), dims, "{statements}");
    for (index, &y) in indices(dims).iter().zip(found[0].data()) {
        let want = f(index);
        assert!((y - want).abs() <= 1e-5 * (1.0 + want.abs()), "{statements}\nat {index:?}: {y}, not {want}");
    }
    agree(&graph, &views, params, 1e-4);
}

fn list<T: ToString>(items: &[T]) -> String {
    format!("[{}]", items.iter().map(T::to_string).collect::<Vec<_>>().join(", "))
}

#[test]
fn slices_are_those_of_python() {
    let recorded = std::fs::read_to_string("tests/data/slices.txt").expect("the file is there");
    let mut count = 0;
    for line in recorded.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split(' ').collect();
        let bound = |word: &str| (word != "_").then(|| word.parse::<i64>().expect("a number"));
        let step = words[2].parse().expect("a number");
        let found = match range(4, bound(words[0]), bound(words[1]), step) {
            Ok(r) => (0..r.len as i64).map(|i| (r.first as i64 + i * r.step).to_string()).collect(),
            Err(_) => "-".to_owned(),
        };
        assert_eq!(found, words[3], "{line}");
        count += 1;
    }
    assert_eq!(count, 405);
}

#[test]
fn a_slice_takes_its_elements() {
    let x = noise(&[5, 7, 6], 1);
    type From = fn(&[usize]) -> [usize; 3];
    let cases: [(&str, [usize; 3], From); 4] = [
        ("slice(axis=0, start=1, end=-1)", [3, 7, 6], |i| [i[0] + 1, i[1], i[2]]),
        ("slice(axis=1, start=-1, end=-100, step=-3)", [5, 3, 6], |i| [i[0], 6 - 3 * i[1], i[2]]),
        ("slice(axis=-1, step=2)", [5, 7, 3], |i| [i[0], i[1], 2 * i[2]]),
        ("slice(axis=2, step=-1) |> slice(axis=1, start=4)", [5, 3, 6], |i| [i[0], i[1] + 4, 5 - i[2]]),
    ];
    for (layers, dims, from) in &cases {
        let text = format!("tensor x [5, 7, 6]\n{layers}");
        holds(&text, std::slice::from_ref(&x), &[], dims, |i| at(&x, &from(i)));
    }
    let huge = "tensor x [5, 7, 6]\nslice(axis=0, start=3, step=-9223372036854775807)";
    holds(huge, std::slice::from_ref(&x), &[], &[1, 7, 6], |i| at(&x, &[3, i[1], i[2]]));
}

/// The element that position `i` of an axis of `n` stands for, by walking there.
fn bordered(i: i64, n: i64, border: &str) -> Option<usize> {
    let (mut at, mut by) = (0, if i < 0 { -1 } else { 1 });
    for _ in 0..i.abs() {
        let next = at + by;
        at = match border {
            _ if (0..n).contains(&next) => next,
            "zero" => return None,
            "replicate" => at,
            "reflect" => {
                by = -by;
                at + by
            }
            _ => next.rem_euclid(n),
        };
    }
    usize::try_from(at).ok()
}

fn dims() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1usize..=5, 1..=4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn axes_are_reduced(dims in dims(), mask in 1u8..16, which in 0usize..4, keep: bool, seed: u32) {
        let axes: Vec<usize> = (0..dims.len()).filter(|i| mask >> i & 1 == 1).collect();
        prop_assume!(!axes.is_empty());
        let x = noise(&dims, seed);
        let name = ["sum", "mean", "max", "min"][which];
        // From the last, and in the wrong order.
        let listed: Vec<i64> = axes.iter().rev().map(|&a| a as i64 - dims.len() as i64).collect();
        let text = format!(
            "tensor x {}\nreduce_{name}(axes={}, keepdims={keep})", list(&dims), list(&listed)
        );
        let kept: Vec<usize> =
            (0..dims.len()).map(|i| if axes.contains(&i) { 1 } else { dims[i] }).collect();
        let left: Vec<usize> = (0..dims.len()).filter(|i| !axes.contains(i)).collect();
        let out = if keep { kept } else { left.iter().map(|&i| dims[i]).collect() };
        holds(&text, std::slice::from_ref(&x), &[], &out, |index| {
            let own = |i: usize| if keep { index[i] } else { left.iter().position(|&l| l == i).map_or(0, |p| index[p]) };
            let group = indices(&dims).into_iter().filter(|full| left.iter().all(|&i| full[i] == own(i)));
            let values: Vec<f64> = group.map(|full| f64::from(at(&x, &full))).collect();
            (match name {
                "sum" => values.iter().sum(),
                "mean" => values.iter().sum::<f64>() / values.len() as f64,
                "max" => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                _ => values.iter().copied().fold(f64::INFINITY, f64::min),
            }) as f32
        });
    }

    #[test]
    fn any_axis_is_padded(
        dims in dims(),
        pads in prop::collection::vec((0usize..4, 0usize..4), 4),
        border in prop_oneof![Just("zero"), Just("replicate"), Just("reflect"), Just("wrap")],
        seed: u32,
    ) {
        let limit = |n: usize, pad: usize| match border {
            "reflect" => pad.min(n - 1),
            "wrap" => pad.min(n),
            _ => pad,
        };
        let before: Vec<usize> = dims.iter().zip(&pads).map(|(&n, p)| limit(n, p.0)).collect();
        let after: Vec<usize> = dims.iter().zip(&pads).map(|(&n, p)| limit(n, p.1)).collect();
        let x = noise(&dims, seed);
        let value = if border == "zero" { ", value=0.5" } else { "" };
        let text = format!(
            "tensor x {}\npad(before={}, after={}, border={border}{value})", list(&dims), list(&before), list(&after)
        );
        let out: Vec<usize> = (0..dims.len()).map(|i| dims[i] + before[i] + after[i]).collect();
        holds(&text, std::slice::from_ref(&x), &[], &out, |index| {
            let from: Option<Vec<usize>> = (0..dims.len())
                .map(|i| bordered(index[i] as i64 - before[i] as i64, dims[i] as i64, border))
                .collect();
            from.map_or(0.5, |from| at(&x, &from))
        });
    }

    #[test]
    fn axes_change_places_and_are_split(dims in dims(), order in any::<prop::sample::Index>(), split: bool, seed: u32) {
        let rank = dims.len();
        // The permutation of that number.
        let mut left: Vec<usize> = (0..rank).collect();
        let mut number = order.index(24);
        let perm: Vec<usize> = (0..rank).map(|_| { let i = number % left.len(); number /= left.len(); left.remove(i) }).collect();
        let x = noise(&dims, seed);
        let moved: Vec<usize> = perm.iter().map(|&i| dims[i]).collect();
        let (mut shape, mut listed) = (moved.clone(), moved.iter().map(|&n| n as i64).collect::<Vec<_>>());
        if split {
            // The first axis as two.
            shape = [&[moved[0], 1], &moved[1..]].concat();
            listed = [&[-1, 1], &listed[1..]].concat();
        }
        let text = format!("tensor x {}\npermute({})\nreshape({})", list(&dims), list(&perm), list(&listed));
        holds(&text, std::slice::from_ref(&x), &[], &shape, |index| {
            let index = if split { [&index[..1], &index[2..]].concat() } else { index.to_vec() };
            let mut from = vec![0; rank];
            for (&axis, &i) in perm.iter().zip(&index) {
                from[axis] = i;
            }
            at(&x, &from)
        });
    }

    #[test]
    fn blocks_of_pixels_are_channels(
        c in 1usize..4, h in 1usize..4, w in 1usize..5, r in 1usize..4, lead in 0usize..3, crd: bool, seed: u32,
    ) {
        let front: Vec<usize> = [2, 3][..lead].to_vec();
        let deep = [&front[..], &[c * r * r, h, w]].concat();
        let wide = [&front[..], &[c, h * r, w * r]].concat();
        let order = if crd { "crd" } else { "dcr" };
        // The pixel of a channel of the deep value, and back.
        let channel = |c0: usize, i: usize, j: usize| if crd { c0 * r * r + i * r + j } else { (i * r + j) * c + c0 };
        let (x, y) = (noise(&deep, seed), noise(&wide, seed ^ 1));
        holds(
            &format!("tensor x {}\ndepth_to_space({r}, order={order})", list(&deep)),
            std::slice::from_ref(&x), &[], &wide,
            |index| {
                let (front, own) = index.split_at(lead);
                at(&x, &[front, &[channel(own[0], own[1] % r, own[2] % r), own[1] / r, own[2] / r]].concat())
            },
        );
        holds(
            &format!("tensor y {}\nspace_to_depth({r}, order={order})", list(&wide)),
            std::slice::from_ref(&y), &[], &deep,
            |index| {
                let (front, own) = index.split_at(lead);
                let all = indices(&[c, r, r]);
                let from = all.iter().find(|p| channel(p[0], p[1], p[2]) == own[0]).expect("a channel has a pixel");
                at(&y, &[front, &[from[0], own[1] * r + from[1], own[2] * r + from[2]]].concat())
            },
        );
    }

    #[test]
    fn matrices_are_multiplied(
        m in 1usize..7, k in 1usize..9, n in 1usize..10,
        lead in prop::collection::vec(1usize..4, 0..3), ones in 0u8..16, weight: bool, seed: u32,
    ) {
        // One side has axes of 1, or fewer of them.
        let thin = |bits: u8| -> Vec<usize> {
            lead.iter().enumerate().map(|(i, &d)| if bits >> i & 1 == 1 { 1 } else { d }).collect()
        };
        let (left, mut right) = (thin(ones & 3), thin(ones >> 2));
        if ones == 15 {
            right.clear();
        }
        let a = noise(&[&left[..], &[m, k]].concat(), seed);
        let b = noise(&[&right[..], &[k, n]].concat(), seed ^ 7);
        let out: Vec<usize> = (0..lead.len())
            .map(|i| if right.is_empty() { left[i] } else { left[i].max(right[i]) })
            .chain([m, n])
            .collect();
        let (what, inputs, params) = match weight {
            true => ("param", vec![a.clone()], vec![b.clone()]),
            false => ("tensor", vec![a.clone(), b.clone()], vec![]),
        };
        let text = format!("tensor a {}\n{what} b {}\nmatmul(a, b)", list(a.shape()), list(b.shape()));
        holds(&text, &inputs, &params, &out, |index| {
            let (front, own) = index.split_at(lead.len());
            let of = |t: &Tensor, i: usize, j: usize| {
                let front = &front[..t.shape().len() - 2];
                f64::from(at(t, &[front, &[i, j]].concat()))
            };
            (0..k).map(|p| of(&a, own[0], p) * of(&b, p, own[1])).sum::<f64>() as f32
        });
    }
}

#[test]
fn single_numbers_are_values() {
    let (x, s, k) = (noise(&[3, 4, 5], 3), noise(&[], 4), noise(&[], 5));
    let text = "tensor x [3, 4, 5]\ntensor s []\nparam k []
a = x |> reduce_max(keepdims=false)
b = a * s |> reshape([1]) |> reduce_sum(keepdims=false)
x * b + erf(k) - min(s, k)";
    let (s0, k0) = (s.data()[0], k.data()[0]);
    let most = x.data().iter().copied().fold(f32::NEG_INFINITY, f32::max);
    // erf by its series, which converges fast for |k| < 1.
    let mut term = f64::from(k0);
    let mut erf = term;
    for i in 1..40 {
        term *= -f64::from(k0 * k0) / f64::from(i);
        erf += term / f64::from(2 * i + 1);
    }
    let erf = (erf * 2.0 / std::f64::consts::PI.sqrt()) as f32;
    holds(text, &[x.clone(), s.clone()], std::slice::from_ref(&k), &[3, 4, 5], |i| {
        at(&x, i) * most * s0 + erf - s0.min(k0)
    });
    // Computed from single numbers alone, and given back as they are.
    let text = "tensor s []\nparam k []\nt = s * k + 1\nu = reshape([1, 1]) |> permute([1, 0]) |> reshape([])\noutput u";
    holds(text, std::slice::from_ref(&s), std::slice::from_ref(&k), &[], |_| s0 * k0 + 1.0);
    holds("tensor s []\nrelu(s)", std::slice::from_ref(&s), &[], &[], |_| s0.max(0.0));
}
