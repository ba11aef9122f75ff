//! Random single layers with weights, by every executor.

use convc::graph::{
    Border, Conv, ConvTranspose, Graph, Input, Node, Op, Output, Pads, Param, ParamRole, Type, UnaryOp,
    Value, Window,
};
use convc::source::Span;
use convc::tensor::Tensor;
use proptest::prelude::*;

use crate::executors::agree;

/// A graph of one layer and its activation, with the inputs and parameters to run it.
pub struct Layer {
    pub graph: Graph,
    pub input: Tensor,
    pub params: Vec<Tensor>,
}

fn noise(shape: &[u64], seed: u32) -> Tensor {
    let n: u64 = shape.iter().product();
    let mut state = seed.wrapping_mul(0x9e37_79b9).wrapping_add(0x1234_5678);
    let data = (0..n)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect();
    let shape: Vec<usize> = shape.iter().map(|&d| d as usize).collect();
    Tensor::new(&shape, data).expect("the lengths agree")
}

/// `op(x, w, b)` and perhaps relu.
fn layer(op: Op, x: [u64; 3], w: Vec<u64>, out: [u64; 3], relu: bool) -> Layer {
    let node = |op: Op, args: &[u32], ty: Type, name: &str| Node {
        op,
        args: args.iter().map(|&a| Value(a)).collect(),
        ty,
        name: name.to_owned(),
        span: Span::default(),
    };
    let param = |key: &str, dims: Vec<u64>| Param {
        key: key.to_owned(),
        aliases: Vec::new(),
        dims,
        role: ParamRole::Weight { fan_in: 1 },
        span: Span::default(),
    };
    let mut nodes = vec![
        node(Op::Input(0), &[], Type::batched(x), "x"),
        node(Op::Param(0), &[], Type::plain(w.clone()), "w"),
        node(Op::Param(1), &[], Type::plain([out[0]]), "b"),
        node(op, &[0, 1, 2], Type::batched(out), "layer"),
    ];
    if relu {
        nodes.push(node(Op::Unary(UnaryOp::Relu), &[3], Type::batched(out), "relu"));
    }
    let last = Value(nodes.len() as u32 - 1);
    let graph = Graph {
        name: "layer".into(),
        nodes,
        inputs: vec![Input { name: "x".into(), value: Value(0), file: None }],
        consts: Vec::new(),
        params: vec![param("w", w.clone()), param("b", vec![out[0]])],
        outputs: vec![Output { name: "y".into(), value: last }],
        weights: None,
        labels: None,
    };
    Layer { graph, input: noise(&x, 1), params: vec![noise(&w, 2), noise(&[out[0]], 3)] }
}

fn check(layer: &Layer) {
    assert_eq!(convc::graph::verify::verify(&layer.graph), Ok(()));
    agree(&layer.graph, &[layer.input.view()], &layer.params, 2e-5);
}

/// Height and width of a window's output, where it fits.
fn out_size(window: &Window, size: [u64; 2]) -> Option<[u64; 2]> {
    let out = |a: usize| {
        let reach = size[a] + window.pad.before(a) + window.pad.after(a);
        reach.checked_sub(window.effective(a)).map(|n| n / window.stride[a] + 1)
    };
    Some([out(0)?, out(1)?])
}

fn border() -> impl Strategy<Value = Border> {
    prop_oneof![Just(Border::Zero), Just(Border::Replicate), Just(Border::Reflect), Just(Border::Wrap)]
}

prop_compose! {
    fn window()(
        // Winograd's filtering is for 3×3 at stride 1.
        kernel in prop_oneof![[1u64..=4, 1u64..=4], Just([3, 3])],
        stride in prop_oneof![[1u64..=3, 1u64..=3], Just([1, 1])],
        dilation in [1u64..=2, 1u64..=2],
        pad in [0u64..=2, 0u64..=2, 0u64..=2, 0u64..=2],
    ) -> Window {
        let [top, bottom, left, right] = pad;
        Window { kernel, stride, dilation, pad: Pads { top, bottom, left, right } }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn contractions_agree(
        window in window(),
        border in border(),
        size in [3u64..=17, 3u64..=23],
        c in 1u64..=17,
        o in prop_oneof![8u64..=17, Just(24u64), Just(29), Just(40), Just(48), Just(64), Just(88)],
        relu: bool,
    ) {
        let Some([oh, ow]) = out_size(&window, size) else { return Ok(()) };
        let op = Op::Conv(Conv { window, border, groups: 1 });
        let w = vec![o, c, window.kernel[0], window.kernel[1]];
        check(&layer(op, [c, size[0], size[1]], w, [o, oh, ow], relu));
    }

    #[test]
    fn convolutions_agree(
        window in window(),
        border in border(),
        size in [3u64..=17, 3u64..=23],
        groups in prop_oneof![4 => Just(1u64), 1 => Just(2), 1 => Just(3)],
        c in prop_oneof![1u64..=4, 7u64..=17],
        o in prop_oneof![1u64..=4, 7u64..=17, Just(40u64)],
        relu: bool,
    ) {
        let Some([oh, ow]) = out_size(&window, size) else { return Ok(()) };
        let (c, o) = (c * groups, o * groups);
        let op = Op::Conv(Conv { window, border, groups });
        let w = vec![o, c / groups, window.kernel[0], window.kernel[1]];
        check(&layer(op, [c, size[0], size[1]], w, [o, oh, ow], relu));
    }

    #[test]
    fn depthwise_convolutions_agree(
        window in window(),
        border in border(),
        size in [3u64..=13, 3u64..=20],
        c in prop_oneof![2u64..=5, 8u64..=20],
        relu: bool,
    ) {
        let Some([oh, ow]) = out_size(&window, size) else { return Ok(()) };
        let op = Op::Conv(Conv { window, border, groups: c });
        let w = vec![c, 1, window.kernel[0], window.kernel[1]];
        check(&layer(op, [c, size[0], size[1]], w, [c, oh, ow], relu));
    }

    /// Of one channel in rows that are longer than a vector, with or without a halo.
    #[test]
    fn stencils_agree(
        kernel in [1u64..=5, 1u64..=5],
        stride in [1u64..=2, 1u64..=4],
        dilation in [1u64..=3, 1u64..=2],
        pad in [0u64..=4, 0u64..=4, 0u64..=8, 0u64..=8],
        border in prop_oneof![3 => Just(Border::Zero), 1 => Just(Border::Replicate)],
        size in [1u64..=13, 14u64..=43],
        groups in prop_oneof![Just(1u64), Just(3)],
        o in 1u64..=4,
        relu: bool,
    ) {
        let [top, bottom, left, right] = pad;
        let stride = [stride[0], if stride[1] < 4 { 1 } else { 2 }];
        let window = Window { kernel, stride, dilation, pad: Pads { top, bottom, left, right } };
        let Some([oh, ow]) = out_size(&window, size) else { return Ok(()) };
        let op = Op::Conv(Conv { window, border, groups });
        let w = vec![o * groups, 1, window.kernel[0], window.kernel[1]];
        check(&layer(op, [groups, size[0], size[1]], w, [o * groups, oh, ow], relu));
    }

    /// From the caller's planes to the caller's planes, whatever follows the sums.
    #[test]
    fn products_of_planes_agree(
        size in [30u64..=40, 35u64..=45],
        c in 8u64..=20,
        o in 8u64..=30,
        then in prop_oneof![
            Just(None),
            Just(Some(UnaryOp::Relu)),
            Just(Some(UnaryOp::Gelu)),
            Just(Some(UnaryOp::Mish)),
        ],
    ) {
        let window = Window { kernel: [1, 1], stride: [1, 1], dilation: [1, 1], pad: Pads::default() };
        let op = Op::Conv(Conv { window, border: Border::Zero, groups: 1 });
        let out = [o, size[0], size[1]];
        let mut layer = layer(op, [c, size[0], size[1]], vec![o, c, 1, 1], out, false);
        if let Some(then) = then {
            let (op, ty) = (Op::Unary(then), Type::batched(out));
            let last = Value(layer.graph.nodes.len() as u32 - 1);
            layer.graph.nodes.push(Node { op, args: vec![last], ty, name: "then".into(), span: Span::default() });
            layer.graph.outputs[0].value = Value(last.0 + 1);
        }
        check(&layer);
    }

    #[test]
    fn transposed_convolutions_agree(
        window in window(),
        output_pad in [0u64..=1, 0u64..=1],
        size in [1u64..=9, 1u64..=13],
        groups in prop_oneof![3 => Just(1u64), 1 => Just(2)],
        c in prop_oneof![1u64..=3, 8u64..=9],
        o in prop_oneof![1u64..=3, 8u64..=17],
    ) {
        let out = |a: usize| {
            let pad = window.pad.before(a) + window.pad.after(a);
            if output_pad[a] >= window.stride[a].max(window.dilation[a]) {
                return None;
            }
            ((size[a] - 1) * window.stride[a] + window.effective(a) + output_pad[a])
                .checked_sub(pad)
                .filter(|&n| n > 0)
        };
        let (Some(oh), Some(ow)) = (out(0), out(1)) else { return Ok(()) };
        let (c, o) = (c * groups, o * groups);
        let op = Op::ConvTranspose(ConvTranspose { window, output_pad, groups });
        let w = vec![c, o / groups, window.kernel[0], window.kernel[1]];
        check(&layer(op, [c, size[0], size[1]], w, [o, oh, ow], false));
    }
}
