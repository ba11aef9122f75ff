//! Hostile texts: a clear error, within a second and little memory.

use std::time::{Duration, Instant};

use super::codes;

/// Checks a text, and that it does not take long. The limit is generous: tests run unoptimised and
/// side by side.
fn bounded(text: &str, want: &str) {
    let start = Instant::now();
    let found = codes(text);
    assert!(start.elapsed() < Duration::from_secs(10), "{want} took {:?}", start.elapsed());
    assert!(found.contains(want), "{want}: {found:?}");
}

fn model(body: &str) -> String {
    format!("model m {{\n  input x [1, 8, 8]\n{body}\n}}\n")
}

#[test]
fn blocks_that_double_forty_times() {
    let blocks: String = (0..40).map(|i| format!("block b{i} {{ b{n}\n b{n} }}\n", n = i + 1)).collect();
    bounded(&format!("{blocks}block b40 {{ relu }}\n{}", model("b0")), "E0702");
    let blocks: String = (0..25).map(|i| format!("block b{i} {{ b{n}\n b{n} }}\n", n = i + 1)).collect();
    bounded(&format!("{blocks}block b25 {{ relu }}\n{}", model("b0")), "E0701");
    // Empty at the bottom, and doubled within one statement.
    let blocks: String =
        (0..30).map(|i| format!("block b{i} {{ it |> b{n} |> b{n} }}\n", n = i + 1)).collect();
    bounded(&format!("{blocks}block b30 {{ }}\n{}", model("b0")), "E0701");
}

#[test]
fn repeats_of_repeats() {
    bounded(&model("repeat 1000000 { repeat 1000000 { relu } }"), "E0701");
    bounded(&model("repeat 9000000000000000000 { }"), "E0701");
    let nested = "repeat 10 { ".repeat(40) + "relu" + &" }".repeat(40);
    let found = codes(&model(&nested));
    assert!(found.contains("E0701") || found.contains("E0003"), "{found:?}");
}

#[test]
fn rings_of_blocks() {
    let ring: String = (0..20_000).map(|i| format!("block b{i} {{ b{} }}\n", (i + 1) % 20_000)).collect();
    bounded(&format!("{ring}{}", model("b0")), "E0206");
    let chain: String = (0..20_000).map(|i| format!("block b{i} {{ b{} }}\n", i + 1)).collect();
    bounded(&format!("{chain}block b20000 {{ relu }}\n{}", model("b0")), "E0702");
    bounded(&format!("block a {{ a }}\n{}", model("a")), "E0206");
}

#[test]
fn chains_of_kernels() {
    let chain: String = (0..5000).map(|i| format!("kernel k{i} = k{} / 2\n", i + 1)).collect();
    bounded(&format!("{chain}kernel k5000 = [[1]]\n{}", model("filter(k0)")), "E0702");
    bounded(&format!("kernel a = b\nkernel b = a\n{}", model("filter(a)")), "E0206");
    bounded(&model("repeat 10000 as i { y.{i} = x |> filter(flip(box(255)), pad=127) }"), "E0701");
}

#[test]
fn one_statement_that_is_long() {
    let sum = format!("  x{}", " + x".repeat(50));
    let body: String = (0..400).map(|i| format!("block b{i} {{ input |> c |> c |> c |> c }}\n")).collect();
    assert!(codes(&format!("{body}block c {{ it + 1 }}\n{}", model(&sum))).contains("W0203"));
    let chain = "  repeat 20 {\n relu".to_owned() + &" |> relu".repeat(10_000) + "\n}";
    bounded(&model(&chain), "E0701");
}

#[test]
fn names_that_grow() {
    let name = "n".repeat(100);
    let blocks: String = (0..8).map(|i| format!("block b{i} {{ {name} = b{} }}\n", i + 1)).collect();
    bounded(&format!("{blocks}block b8 {{ {name} = relu }}\n{}", model("b0")), "E0708");
}

#[test]
fn numbers_that_are_too_large() {
    bounded(&model("conv(kernel=3, out=9223372036854775807 + 1)"), "E0310");
    bounded(&model("conv(kernel=3, out=4294967296)"), "E0703");
    bounded(&model("conv(kernel=1000000, out=1)"), "E0706");
    bounded(&model("conv(kernel=3, out=1, pad=1000000)"), "E0706");
    bounded(&model("upsample(scale=1e30)"), "E0703");
    bounded(&model("upsample(scale=4611686018427387904)"), "E0703");
    bounded(&model("upsample(scale=1000000)\nupsample(scale=1000000)"), "E0704");
    bounded(&model("pixel_shuffle(9223372036854775807)"), "E0310");
    bounded(&model("conv_transpose(kernel=30000, stride=30000, out=2147483648, bias=false)"), "E0704");
    bounded(&model("conv(kernel=3, pad=1, out=2147483647)\nconv(kernel=3, pad=1, out=2147483647)"), "E0704");
    bounded(&model("crop(9223372036854775807)"), "E0410");
    bounded(&model("filter(gaussian(9223372036854775807))"), "E0707");
    bounded(&model("softmax(axis=-9223372036854775807)"), "E0418");
    bounded("model m {\n  input x [9223372036854775807, 9223372036854775807, 2]\n  flatten\n}\n", "E0703");
}

#[test]
fn many_errors_are_counted() {
    let body: String = (0..200).map(|i| format!("  y{i} = x |> convv{i}\n")).collect();
    bounded(&model(&body), "E0199");
}
