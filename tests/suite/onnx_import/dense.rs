//! Matrix products.

use super::models::{Net, float, floats, int, show, weights};
use crate::dims;

#[test]
fn gemm_takes_its_factors_into_the_weights() {
    let net = Net::new(13)
        .input("x", dims!["N", 2])
        .init(floats("w", &[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))
        .init(floats("b", &[1, 3], &[1.0, 2.0, 3.0]))
        .only("Gemm", &["x", "w", "b"], vec![float("alpha", 2.0), float("beta", 0.5)]);
    let draft = net.lower();
    assert_eq!(show(&draft), "x0 |> linear(out=3) -> [3] weight[3, 2] bias[3]");
    assert_eq!(weights(&draft)[0].1.data(), [2.0, 8.0, 4.0, 10.0, 6.0, 12.0]);
    assert_eq!(weights(&draft)[1].1.data(), [0.5, 1.0, 1.5]);
}

#[test]
fn gemm_with_other_third_operands() {
    let net = |c: &[i64]| Net::new(13).input("x", dims![3, 2]).weight("w", &[2, 4]).weight("c", c);
    let scalar = net(&[]).only("Gemm", &["x", "w", "c"], vec![]).lower();
    assert_eq!(show(&scalar), "x0 |> linear(out=4) -> [3, 4] weight[4, 2] bias[4]");
    for c in [[3, 1], [3, 4]] {
        assert_eq!(
            net(&c).only("Gemm", &["x", "w", "c"], vec![]).shows(),
            format!(
                "x0 |> linear(out=4, bias=false) -> [3, 4] weight[4, 2]\n\
                 param -> {c:?} {c:?}\n%0 + %1 -> [3, 4]"
            )
        );
    }
    let transposed = Net::new(13).input("x", dims![2, 3]).weight("w", &[4, 2]);
    assert_eq!(
        transposed.only("Gemm", &["x", "w"], vec![int("transA", 1), int("transB", 1)]).shows(),
        "x0 |> permute(axes=[1, 0]) -> [3, 2]\n%0 |> linear(out=4, bias=false) -> [3, 4] weight[4, 2]"
    );
    let live = Net::new(13).input("x", dims![3, 2]).input("w", dims![4, 2]);
    assert_eq!(
        live.only("Gemm", &["x", "w"], vec![int("transB", 1), float("alpha", 0.5)]).shows(),
        "x1 |> permute(axes=[1, 0]) -> [2, 4]\nmatmul(x0, %0) -> [3, 4]\n%1 * 0.5 -> [3, 4]"
    );
}

#[test]
fn products_with_a_constant_and_a_bias_are_linear_layers() {
    let net = |uses: usize| {
        let net = Net::new(13).input("x", dims!["N", 5, 2]).weight("w", &[2, 3]).weight("b", &[3]);
        let net = net.node("MatMul", &["x", "w"], &["m"], vec![]);
        let net = net.node("Add", &["b", "m"], &["y"], vec![]).output("y");
        if uses > 1 { net.output("m") } else { net }
    };
    assert_eq!(net(1).shows(), "x0 |> linear(out=3) -> [5, 3] weight[3, 2] bias[3]");
    // Where the product itself is needed, it stays.
    assert_eq!(
        net(2).shows(),
        "x0 |> linear(out=3, bias=false) -> [5, 3] weight[3, 2]\nparam -> [3] [3]\n%1 + %0 -> [5, 3]"
    );
}

#[test]
fn a_bias_is_not_given_to_what_another_name_sees() {
    let net = Net::new(13).input("x", dims!["N", 2]).weight("w", &[2, 3]).weight("b", &[3]);
    let net = net.node("MatMul", &["x", "w"], &["m"], vec![]).node("Identity", &["m"], &["i"], vec![]);
    let net = net.node("Add", &["i", "b"], &["y"], vec![]).node("Relu", &["m"], &["z"], vec![]);
    let text = net.output("y").output("z").shows();
    assert!(text.starts_with("x0 |> linear(out=3, bias=false) -> [3] weight[3, 2]\n"), "{text}");
}

#[test]
fn convolutions_take_the_bias_that_is_added() {
    let net = |c: &[i64]| {
        let net = Net::new(13).input("x", dims![1, 3, 4, 4]).weight("w", &[5, 3, 1, 1]).weight("b", c);
        net.node("Conv", &["x", "w"], &["m"], vec![]).node("Add", &["m", "b"], &["y"], vec![]).output("y")
    };
    for c in [vec![5, 1, 1], vec![1, 5, 1, 1]] {
        assert_eq!(net(&c).shows(), "x0 |> conv(kernel=1, out=5) -> [5, 4, 4] weight[5, 3, 1, 1] bias[5]");
    }
    let along_columns = net(&[4]).shows();
    assert!(along_columns.contains("bias=false"), "{along_columns}");
}

#[test]
fn pictures_are_multiplied_row_by_row() {
    let net = Net::new(13).input("x", dims!["N", 4, 5, 2]).weight("w", &[2, 3]);
    assert_eq!(
        net.only("MatMul", &["x", "w"], vec![])
            .try_lower(&Default::default())
            .map(|d| show(&d))
            .expect("imports"),
        "x0 |> reshape(shape=[20, 2]) -> [20, 2]\n\
         %0 |> linear(out=3, bias=false) -> [20, 3] weight[3, 2]\n\
         %1 |> reshape(shape=[4, 5, 3]) -> [4, 5, 3]"
    );
}

#[test]
fn products_of_values() {
    let net = |a, b| Net::new(13).input("a", a).input("b", b).only("MatMul", &["a", "b"], vec![]);
    assert_eq!(net(dims![2, 3, 4], dims![4, 5]).shows(), "matmul(x0, x1) -> [2, 3, 5]");
    assert_eq!(net(dims![1, 2, 3, 4], dims![1, 2, 4, 5]).shows(), "matmul(x0, x1) -> [2, 3, 5]");
    assert_eq!(
        net(dims![3], dims![3]).shows(),
        "x0 |> reshape(shape=[1, 3]) -> [1, 3]\nx1 |> reshape(shape=[3, 1]) -> [3, 1]\n\
         matmul(%0, %1) -> [1, 1]\n%2 |> reshape(shape=[]) -> []"
    );
    // Rows that are samples become a row of each.
    assert_eq!(
        net(dims!["N", 4], dims![4, 5]).shows(),
        "x0 |> reshape(shape=[1, 4]) -> [1, 4]\nmatmul(%0, x1) -> [1, 5]\n%1 |> flatten -> [5]"
    );
    assert!(net(dims![2, 3], dims![4, 5]).fails().contains("rows of 3 by columns of 4"));
}
