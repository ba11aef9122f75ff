use super::*;
use crate::model::{Model, Options};
use crate::plan::PlanOptions;
use crate::{pipeline, target::Target};

fn plan_of(body: &str) -> Plan {
    let model = Model::from_str("m.conv", &format!("model m {{\n{body}\n}}\n")).unwrap();
    let (graph, _) = model.graph(&Options::default()).unwrap();
    pipeline::plan(&pipeline::optimise(&graph), &PlanOptions::strict(Target::X64_AVX2)).unwrap()
}

fn works(body: &str, word: &str) -> Vec<Work> {
    let plan = plan_of(body);
    plan.run.iter().filter(|t| t.kind.word() == word).map(|t| work(&plan, t)).collect()
}

fn flops(body: &str) -> u64 {
    let plan = plan_of(body);
    plan.run.iter().map(|t| work(&plan, t).flops).sum()
}

/// Products by hand: outputs × taps × channels of a group.
#[test]
fn flops_are_those_of_the_direct_algorithm() {
    assert_eq!(flops("input x [16, 10, 12]\nconv(kernel=3, pad=1, out=24)"), 2 * 24 * 120 * 9 * 16);
    assert_eq!(flops("input x [3, 9, 9]\nconv(kernel=3, stride=2, out=5)"), 2 * 5 * 16 * 9 * 3);
    assert_eq!(flops("input x [8, 6, 6]\nconv(kernel=3, pad=1, out=8, groups=8)"), 2 * 8 * 36 * 9);
    assert_eq!(flops("input x [8, 6, 6]\nconv(kernel=3, pad=1, out=4, groups=4)"), 2 * 4 * 36 * 9 * 2);
    assert_eq!(flops("input x [1, 6, 6]\nfilter(gaussian(3), pad=1)"), 2 * 36 * 9);
    assert_eq!(flops("input x [100]\nlinear(out=10)"), 2 * 1000);
    assert_eq!(flops("input x [7, 100]\nlinear(out=10)"), 2 * 7000);
    assert_eq!(flops("input x [4, 6, 6]\nmaxpool(kernel=2, stride=2)\nrelu"), 0);
    // Each input element meets each weight of its channel, where no border cuts.
    let transposed = "input x [16, 5, 5]\nconv_transpose(kernel=2, stride=2, out=8)";
    assert_eq!(flops(transposed), 2 * 16 * 25 * 8 * 4);
}

#[test]
fn bytes_are_those_of_the_buffers() {
    let found = works("input x [1, 6, 8]\ny = x * 2 + 1", "pointwise");
    assert_eq!(found, [Work { flops: 0, bytes: 2 * 4 * 48 }]);
    // 16 channels with a halo of 1, 24 of output, panels of whole blocks and the bias.
    let found = works("input x [16, 10, 12]\nconv(kernel=3, pad=1, out=24)\nrelu", "contract");
    let (x, w, bias, out) = (16 * 12 * 14, 24 * 16 * 9, 24, 24 * 120);
    assert_eq!(found, [Work { flops: 2 * 24 * 120 * 9 * 16, bytes: 4 * (x + w + bias + out) }]);
}
