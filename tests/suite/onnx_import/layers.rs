//! Convolutions, pools, norms, resampling.

use super::models::{Net, float, floats, int, ints, list, numbers, text};
use crate::dims;

fn picture() -> Net {
    Net::new(13).input("x", dims![1, 4, 9, 7])
}

fn conv(attributes: Vec<convc::onnx::proto::AttributeProto>) -> String {
    picture().weight("w", &[6, 4, 3, 3]).only("Conv", &["x", "w"], attributes).shows()
}

#[test]
fn convolutions() {
    for (attributes, want) in [
        (vec![], "conv(kernel=3, out=6, bias=false) -> [6, 7, 5]"),
        (
            vec![list("pads", &[1, 0, 2, 3]), list("strides", &[2, 1])],
            "conv(kernel=3, out=6, stride=(2, 1), pad=((1, 2), (0, 3)), bias=false) -> [6, 5, 8]",
        ),
        (vec![list("dilations", &[2, 3])], "conv(kernel=3, out=6, dilation=(2, 3), bias=false) -> [6, 5, 1]"),
        (
            vec![text("auto_pad", "SAME_UPPER"), list("strides", &[2, 3])],
            "conv(kernel=3, out=6, stride=(2, 3), pad=same_upper, bias=false) -> [6, 5, 3]",
        ),
        (
            vec![text("auto_pad", "VALID"), list("strides", &[2, 2])],
            "conv(kernel=3, out=6, stride=2, bias=false) -> [6, 4, 3]",
        ),
    ] {
        assert_eq!(conv(attributes), format!("x0 |> {want} weight[6, 4, 3, 3]"));
    }
    assert_eq!(
        conv(vec![list("pads", &[-1, 1, -2, 0])]),
        "x0 |> crop(top=1, bottom=2) -> [4, 6, 7]\n\
         %0 |> conv(kernel=3, out=6, pad=((0, 0), (1, 0)), bias=false) -> [6, 4, 6] weight[6, 4, 3, 3]"
    );
}

#[test]
fn convolutions_of_signals_are_those_of_one_row() {
    let net = Net::new(11).input("x", dims![1, 4, 9]).weight("w", &[6, 2, 3]).weight("b", &[6]);
    let attributes = vec![int("group", 2), list("pads", &[1, 2]), list("strides", &[2])];
    assert_eq!(
        net.only("Conv", &["x", "w", "b"], attributes).shows(),
        "x0 |> reshape(shape=[1, 4, 1, 9]) -> [1, 4, 1, 9]\n\
         %0 |> conv(kernel=(1, 3), out=6, stride=(1, 2), pad=((0, 0), (1, 2)), groups=2) -> [1, 6, 1, 5] weight[6, 2, 1, 3] bias[6]\n\
         %1 |> reshape(shape=[1, 6, 5]) -> [1, 6, 5]"
    );
}

#[test]
fn transposed_convolutions() {
    let net =
        |attributes| picture().weight("w", &[4, 3, 3, 3]).only("ConvTranspose", &["x", "w"], attributes);
    let strides = || list("strides", &[2, 3]);
    for (attributes, want) in [
        (vec![strides()], "stride=(2, 3), bias=false) -> [3, 19, 21]"),
        (
            vec![strides(), list("pads", &[1, 0, 0, 2]), list("output_padding", &[1, 2])],
            "stride=(2, 3), pad=((1, 0), (0, 2)), output_pad=(1, 2), bias=false) -> [3, 19, 21]",
        ),
        // k_eff − s is 1 along rows, 0 along columns; the larger half stands before.
        (
            vec![strides(), text("auto_pad", "SAME_LOWER")],
            "stride=(2, 3), pad=((1, 0), (0, 0)), bias=false) -> [3, 18, 21]",
        ),
        (
            vec![strides(), text("auto_pad", "SAME_UPPER")],
            "stride=(2, 3), pad=((0, 1), (0, 0)), bias=false) -> [3, 18, 21]",
        ),
        (
            vec![strides(), list("output_shape", &[16, 22])],
            "stride=(2, 3), pad=((2, 1), (0, 0)), output_pad=(0, 1), bias=false) -> [3, 16, 22]",
        ),
    ] {
        let want = format!("x0 |> conv_transpose(kernel=3, out=3, {want} weight[4, 3, 3, 3]");
        assert_eq!(net(attributes).shows(), want);
    }
    let far = net(vec![strides(), list("output_shape", &[25, 21])]).fails();
    assert!(far.contains("adds 6 elements after its output"), "{far}");
}

#[test]
fn pools() {
    let pool = |op: &str, attributes| picture().only(op, &["x"], attributes).shows();
    let kernel = || list("kernel_shape", &[3, 2]);
    let strides = || list("strides", &[2, 2]);
    for (op, attributes, want) in [
        ("MaxPool", vec![kernel()], "maxpool(kernel=(3, 2), stride=1) -> [4, 7, 6]"),
        ("MaxPool", vec![kernel(), strides()], "maxpool(kernel=(3, 2), stride=2) -> [4, 4, 3]"),
        // Without a stride of its own the language's pool moves by the kernel.
        ("MaxPool", vec![kernel(), list("strides", &[3, 2])], "maxpool(kernel=(3, 2)) -> [4, 3, 3]"),
        (
            "AveragePool",
            vec![kernel(), strides(), int("ceil_mode", 1), list("pads", &[0, 1, 0, 1])],
            "avgpool(kernel=(3, 2), stride=2, pad=((0, 0), (1, 1)), ceil_mode=true, count_include_pad=false) -> [4, 4, 4]",
        ),
        (
            "LpPool",
            vec![kernel(), int("p", 3), list("dilations", &[2, 1])],
            "lppool(kernel=(3, 2), p=3, stride=1, dilation=(2, 1)) -> [4, 5, 6]",
        ),
        ("GlobalAveragePool", vec![], "global_avgpool -> [4, 1, 1]"),
        ("GlobalLpPool", vec![int("p", 1)], "global_lppool(p=1) -> [4, 1, 1]"),
    ] {
        assert_eq!(pool(op, attributes), format!("x0 |> {want}"));
    }
    let two = picture().node("MaxPool", &["x"], &["y", "places"], vec![kernel()]);
    assert_eq!(two.clone().output("y").shows(), "x0 |> maxpool(kernel=(3, 2), stride=1) -> [4, 7, 6]");
    let places = two.output("y").output("places").fails();
    assert_eq!(
        places,
        "node 0 (MaxPool): its output 1 is used, which gives places instead of values; only the values of a pool are computed"
    );
}

#[test]
fn windows_that_start_past_the_input_are_left_out() {
    // Brute force: a window counts if it starts before the end of input and padding before it.
    for n in 1..12i64 {
        for k in 1..4 {
            for s in 1..5 {
                for (before, after) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                    if before >= k || after >= k || n + before + after < k {
                        continue;
                    }
                    let mut count = 0;
                    while count * s + k <= n + before + after
                        || count * s < n + before && (count - 1) * s + k < n + before + after
                    {
                        count += 1;
                    }
                    let net = Net::new(13).input("x", dims![1, 1, 1, n]).only(
                        "MaxPool",
                        &["x"],
                        vec![
                            list("kernel_shape", &[1, k]),
                            list("strides", &[1, s]),
                            list("pads", &[0, before, 0, after]),
                            int("ceil_mode", 1),
                        ],
                    );
                    let draft = net.lower();
                    let dims = draft.dims(draft.outputs[0].1).expect("dims");
                    assert_eq!(dims, [1, 1, count as u64], "n={n} k={k} s={s} pads {before} {after}");
                }
            }
        }
    }
}

#[test]
fn norms() {
    let c4 = |net: Net| net.weight("s", &[4]).weight("b", &[4]).weight("m", &[4]).weight("v", &[4]);
    let all = ["x", "s", "b", "m", "v"];
    let weights = "weight[4] bias[4] running_mean[4] running_var[4]";
    assert_eq!(
        c4(picture()).only("BatchNormalization", &all, vec![float("epsilon", 0.001)]).shows(),
        format!("x0 |> batchnorm(eps=0.001) -> [4, 9, 7] {weights}")
    );
    // Channels of a signal do not stand where the language looks for them.
    assert_eq!(
        c4(Net::new(13).input("x", dims!["N", 4, 9]))
            .only("BatchNormalization", &all, vec![])
            .try_lower(&Default::default())
            .map(|d| super::models::show(&d))
            .expect("imports"),
        format!(
            "x0 |> reshape(shape=[4, 1, 9]) -> [4, 1, 9]\n\
             %0 |> batchnorm -> [4, 1, 9] {weights}\n\
             %1 |> reshape(shape=[4, 9]) -> [4, 9]"
        )
    );
    assert_eq!(
        c4(picture()).only("InstanceNormalization", &["x", "s", "b"], vec![]).shows(),
        "x0 |> instance_norm -> [4, 9, 7] weight[4] bias[4]"
    );
    let groups = c4(picture()).init(floats("s2", &[2], &[1.0, 2.0])).init(floats("b2", &[2], &[3.0, 4.0]));
    let group = groups.only("GroupNormalization", &["x", "s2", "b2"], vec![int("num_groups", 2)]).lower();
    assert_eq!(super::models::show(&group), "x0 |> group_norm(groups=2) -> [4, 9, 7] weight[4] bias[4]");
    assert_eq!(super::models::weights(&group)[0].1.data(), [1.0, 1.0, 2.0, 2.0]);
    let layer = picture().weight("s", &[9, 7]).only("LayerNormalization", &["x", "s"], vec![int("axis", 2)]);
    assert_eq!(layer.shows(), "x0 |> layer_norm(axes=2, bias=false) -> [4, 9, 7] weight[9, 7]");
    let lrn = picture().only("LRN", &["x"], vec![int("size", 5), float("bias", 2.0)]);
    assert_eq!(lrn.shows(), "x0 |> lrn(size=5, k=2) -> [4, 9, 7]");
}

#[test]
fn statistics_of_training_are_computed_from_the_batch() {
    let net = Net::new(15)
        .input("x", dims![2, 3, 4, 5])
        .weight("s", &[3])
        .weight("b", &[3])
        .weight("m", &[3])
        .weight("v", &[3])
        .node(
            "BatchNormalization",
            &["x", "s", "b", "m", "v"],
            &["y", "rm", "rv"],
            vec![int("training_mode", 1)],
        )
        .output("y")
        .output("rv");
    let draft = net.lower();
    assert!(!draft.inputs[0].batched, "the samples are mixed");
    assert_eq!(draft.dims(draft.outputs[0].1).expect("y"), [2, 3, 4, 5]);
    assert_eq!(draft.dims(draft.outputs[1].1).expect("rv"), [3]);
    let text = net.shows();
    assert_eq!(text.matches("reduce_mean(axes=[0, 2, 3])").count(), 2, "{text}");
    // rv = 0.9 · v + 0.1 · variance; rm is left out.
    assert!(text.contains("* 0.1"), "{text}");
}

#[test]
fn resampling() {
    let of = |opset: i64, inputs: &[&str], attributes| {
        Net::new(opset)
            .input("x", dims![1, 4, 10, 7])
            .init(floats("s2", &[4], &[1.0, 1.0, 2.0, 2.0]))
            .init(floats("s07", &[4], &[1.0, 1.0, 0.7, 2.0]))
            .init(floats("none", &[0], &[]))
            .init(floats("s", &[1], &[0.5]))
            .init(ints("sizes", &[4], &[1, 4, 15, 14]))
            .init(ints("two", &[2], &[20, 20]))
            .init(floats("deep", &[4], &[1.0, 2.0, 1.0, 1.0]))
            .only("Resize", inputs, attributes)
    };
    let nearest =
        || vec![text("coordinate_transformation_mode", "asymmetric"), text("nearest_mode", "floor")];
    for (opset, inputs, attributes, want) in [
        (11, vec!["x", "none", "s2"], nearest(), "upsample(scale=(2, 2)) -> [4, 20, 14]"),
        (
            13,
            vec!["x", "", "s2"],
            vec![text("mode", "linear")],
            "upsample(scale=(2, 2), mode=bilinear) -> [4, 20, 14]",
        ),
        // A factor of 2 has no ties, so that the default is the same as floor(o/s).
        (13, vec!["x", "", "s2"], vec![], "upsample(scale=(2, 2)) -> [4, 20, 14]"),
        (
            13,
            vec!["x", "", "", "sizes"],
            vec![text("mode", "cubic"), text("coordinate_transformation_mode", "align_corners")],
            "upsample(size=(15, 14), mode=bicubic, align_corners=true) -> [4, 15, 14]",
        ),
        // 10 · 0.7 is 7.
        (
            19,
            vec!["x", "", "s07"],
            vec![text("mode", "linear"), int("antialias", 1)],
            "resize(scale=(0.7, 2), mode=linear, antialias=true) -> [4, 7, 14]",
        ),
        (
            18,
            vec!["x", "", "", "two"],
            vec![
                list("axes", &[3, 2]),
                text("keep_aspect_ratio_policy", "not_larger"),
                text("nearest_mode", "ceil"),
            ],
            "resize(scale=(2, 2), nearest=ceil) -> [4, 20, 14]",
        ),
        (10, vec!["x", "s2"], vec![], "upsample(scale=(2, 2)) -> [4, 20, 14]"),
        (18, vec!["x", "", "s"], vec![list("axes", &[-2])], "resize(scale=(0.5, 1)) -> [4, 5, 7]"),
    ] {
        assert_eq!(of(opset, &inputs, attributes).shows(), format!("x0 |> {want}"));
    }
    // In version 10 an axis that shrinks rounds up and one that grows down.
    assert_eq!(
        of(10, &["x", "s07"], vec![]).shows(),
        "x0 |> resize(scale=(0.7, 1), coordinates=asymmetric, nearest=ceil) -> [4, 7, 7]\n\
         %0 |> upsample(scale=(1, 2)) -> [4, 7, 14]"
    );
    let deep = of(13, &["x", "", "deep"], vec![]).fails();
    assert!(deep.contains("changes axis 1 of 4; only rows and columns"), "{deep}");
    let crop = Net::new(13)
        .input("x", dims![1, 4, 10, 7])
        .init(floats("roi", &[8], &[0.0, 0.0, 0.25, 0.5, 1.0, 1.0, 0.75, 1.0]))
        .init(ints("sizes", &[4], &[1, 4, 5, 5]))
        .only(
            "Resize",
            &["x", "roi", "", "sizes"],
            vec![
                text("coordinate_transformation_mode", "tf_crop_and_resize"),
                text("mode", "linear"),
                float("extrapolation_value", 3.0),
            ],
        );
    assert_eq!(
        crop.shows(),
        "x0 |> resize(size=5, mode=linear, coordinates=tf_crop_and_resize, roi=((0.25, 0.75), (0.5, 1)), extrapolation=3) -> [4, 5, 5]"
    );
    let old = Net::new(7).input("x", dims![1, 4, 10, 7]);
    let old =
        old.only("Upsample", &["x"], vec![numbers("scales", &[1.0, 1.0, 2.0, 3.0]), text("mode", "linear")]);
    assert_eq!(old.shows(), "x0 |> resize(scale=(2, 3), mode=linear, coordinates=asymmetric) -> [4, 20, 21]");
}
