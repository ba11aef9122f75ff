//! Broken and hostile models: each is refused with a clear error, in time and memory.

use crate::harness::Sandbox;

/// Wraps statements into a model with an 8×8 input of 3 channels.
fn model(body: &str) -> String {
    format!("model m {{\n  input x [3, 8, 8]\n{body}\n}}\n")
}

/// Checks that `check` and `run` refuse a model and that the message has `says` in it.
fn refused(text: impl AsRef<[u8]>, says: &[&str]) {
    let sandbox = Sandbox::new();
    sandbox.write("m.conv", text.as_ref());
    sandbox.refuse(&["check", "m.conv"], says);
    sandbox.refuse(&["run", "m.conv", "-o", "y.npy"], says);
}

#[test]
fn syntax() {
    refused("", &[]);
    refused("model", &[]);
    refused("model m {", &[]);
    refused("model m {\n  input x [3, 8, 8]\n  conv(kernel=3, out=4\n}\n", &[]);
    refused(model("  conv(kernel=3,, out=4)"), &["m.conv:3"]);
    refused(model("  = relu"), &["m.conv:3"]);
    refused(model("  relu }\n }"), &[]);
    refused(model("  y = 1e999999 * x"), &["m.conv:3"]);
    refused(model("  \"unclosed"), &["m.conv:3"]);
    refused(model("  conv(kernel=3 out=4)"), &["m.conv:3"]);
}

#[test]
fn unknown_names_and_wrong_types() {
    refused(model("  cnov(kernel=3, out=4)"), &["cnov", "conv"]);
    refused(model("  y = x + z"), &["z"]);
    refused(model("  conv(kernel=3, outs=4)"), &["outs", "out"]);
    refused(model("  conv(kernel=\"three\", out=4)"), &["m.conv:3"]);
    refused(model("  conv(kernel=[3, 3], out=4)"), &["(3, 3)"]);
    refused(model("  conv(kernel=3)"), &["out"]);
    refused(model("  conv(kernel=1.5, out=4)"), &["1.5"]);
    refused(model("  conv(kernel=-3, out=4)"), &["m.conv:3"]);
    refused(model("  y = relu\n  y = tanh"), &["y"]);
    refused(model("  filter([[1, 2], [3]])"), &["m.conv:3"]);
    refused(model("  filter(nothing)"), &["nothing"]);
    refused(model("  conv(kernel=3, out=4, border=mirror)"), &["mirror"]);
    refused(model("  output nowhere"), &["nowhere"]);
    refused("model m {\n  relu\n}\n", &[]);
    refused("kernel k = [[1]]\n", &["model"]);
    refused(model("  relu\n  input x [1, 2, 2]"), &["x"]);
    refused("model m {\n  input x [3, 8, 8]\n  relu\n}\nmodel m {\n  input x [3, 8, 8]\n  relu\n}\n", &["m"]);
}

#[test]
fn sizes_that_do_not_fit() {
    refused(model("  conv(kernel=9, out=4)"), &["kernel", "9", "8"]);
    refused(model("  conv(kernel=3, in=4, out=4)"), &["4", "3"]);
    refused(model("  conv(kernel=3, out=4, groups=2)"), &["groups"]);
    refused(model("  conv(kernel=3, out=4) -> [4, 8, 8]"), &["6"]);
    refused(model("  y = filter(box(3))\n  y + x"), &["[3, 6, 6]", "[3, 8, 8]"]);
    refused(model("  conv(kernel=2, pad=same, out=4)"), &["same"]);
    refused(model("  conv(kernel=3, pad=8, border=reflect, out=4)"), &["reflect"]);
    refused(model("  maxpool(kernel=3, pad=5)"), &["m.conv:3"]);
    refused(model("  concat(x, filter(box(3)))"), &["m.conv:3"]);
    refused(model("  linear(out=4)\n  conv(kernel=9, out=2)"), &["m.conv:"]);
    refused(model("  crop(9)"), &["m.conv:3"]);
    refused(model("  pixel_shuffle(2)"), &["m.conv:3"]);
}

#[test]
fn numbers_that_overflow_and_sizes_past_every_limit() {
    refused(model("  conv(kernel=3, out=4294967296)"), &["m.conv:3"]);
    refused(model("  conv(kernel=1000000, out=4)"), &["m.conv:3"]);
    refused(model("  conv(kernel=3, pad=9223372036854775807, out=4)"), &["m.conv:3"]);
    refused(model("  conv(kernel=3, stride=99999999999999999999, out=4)"), &["m.conv:3"]);
    refused(model("  conv(kernel=3, out=9223372036854775807 + 1)"), &["m.conv:3"]);
    refused(model("  conv(kernel=3, out=3037000500 * 3037000500)"), &["m.conv:3"]);
    refused(model("  conv(kernel=3, out=1/0)"), &["m.conv:3"]);
    refused(model("  conv(kernel=3, out=7/2)"), &["m.conv:3"]);
    refused(model("  upsample(scale=2000000000)"), &["m.conv:3"]);
    refused(model("  pad(2000000000)"), &["m.conv:3"]);
    refused(model("  filter(gaussian(1000001, sigma=1))"), &["m.conv:3"]);
    refused("model m {\n  input x [3, 4294967296, 4294967296]\n  relu\n}\n", &["m.conv:2"]);
    refused("model m {\n  input x [0, 8, 8]\n  relu\n}\n", &["m.conv:2"]);
    refused(model("  param w [2147483648, 2147483648, 2147483648, 2147483648]"), &["m.conv:3"]);
    refused(model("  reshape([2147483648, 2147483648, 2147483648, -1])"), &["m.conv:3"]);
    refused(model("  reshape([9223372036854775807, 2, -1])"), &["m.conv:3"]);
    refused(
        model("  pad(before=[9223372036854775807, 0, 0], after=[9223372036854775807, 0, 0])"),
        &["m.conv:3"],
    );
    refused(model("  slice(axis=-9223372036854775807)"), &["m.conv:3"]);
    refused(model("  slice(axis=0, start=9223372036854775807, step=9223372036854775807)"), &["m.conv:3"]);
    refused(model("  permute([9223372036854775807, 0, 1])"), &["m.conv:3"]);
    refused(model("  depth_to_space(4294967296)"), &["m.conv:3"]);
    refused(model("  space_to_depth(9223372036854775807)"), &["m.conv:3"]);
    refused("model m {\n  input x [1, 1, 1, 1, 1, 1, 1, 1, 8]\n  relu\n}\n", &["m.conv:2"]);
}

#[test]
fn more_than_memory_holds_is_refused_with_the_figure() {
    let sandbox = Sandbox::with_model(&model("  conv(kernel=3, pad=1, out=2000000)"));
    sandbox.refuse(&["run", "m.conv", "--memory", "100M"], &["memory"]);
    let sandbox = Sandbox::with_model("model m {\n  input x [64, H, W]\n  relu\n}\n");
    sandbox.refuse(&["run", "m.conv", "--memory", "100M", "--size", "H=10000,W=10000"], &["memory"]);
    let sandbox = Sandbox::with_model(&model("  flatten\n  linear(out=30000)\n  linear(out=30000)"));
    sandbox.refuse(&["run", "m.conv", "--memory", "100M"], &["memory"]);
}

#[test]
fn cycles_and_recursion() {
    refused("block a() {\n  a()\n}\nmodel m {\n  input x [1, 8, 8]\n  a()\n}\n", &["a"]);
    refused(
        "block a() {\n  b()\n}\nblock b() {\n  a()\n}\nmodel m {\n  input x [1, 8, 8]\n  a()\n}\n",
        &["a"],
    );
    refused(
        "kernel k = transpose(j)\nkernel j = flip(k)\nmodel m {\n  input x [1, 8, 8]\n  filter(k)\n}\n",
        &["k"],
    );
    refused(model("  y = y + 1"), &["y"]);
}

#[test]
fn deep_nesting() {
    for open in ["(", "[", "-(", "relu(", "min(x, "] {
        let text = model(&format!("  y = {}", open.repeat(10_000)));
        refused(&text, &["m.conv"]);
        let close = open.chars().filter(|c| "([".contains(*c)).map(|c| if c == '(' { ')' } else { ']' });
        let close: String = close.collect::<String>().repeat(10_000);
        refused(model(&format!("  y = {}x{close}", open.repeat(10_000))), &["m.conv"]);
    }
    refused(model(&format!("  y = {}x", "-".repeat(100_000))), &["m.conv"]);
    let braces = "repeat 1 {\n".repeat(10_000);
    refused(model(&format!("{braces}relu{}", "\n}".repeat(10_000))), &["m.conv"]);
}

#[test]
fn expansion_that_explodes() {
    let doubling: String =
        (1..=40).map(|i| format!("block b{i}() {{\n  b{}()\n  b{}()\n}}\n", i - 1, i - 1)).collect();
    refused(
        format!("block b0() {{\n  relu\n}}\n{doubling}model m {{\n  input x [1, 8, 8]\n  b40()\n}}\n"),
        &["m.conv"],
    );
    refused(model("  repeat 1000000000 { relu }"), &["m.conv:3"]);
    refused(model("  repeat 9000 { repeat 9000 { repeat 9000 { relu } } }"), &["m.conv:3"]);
    refused(model("  repeat -1 { relu }"), &["m.conv:3"]);
    let taps = format!("[{}]", ["1"; 70_000].join(", "));
    refused(model(&format!("  filter([{taps}])")), &["m.conv:3"]);
}

#[test]
fn encodings() {
    // A byte-order mark and CRLF are no mistake, and positions count from the text's own start.
    let sandbox = Sandbox::new();
    sandbox.write("bom.conv", format!("\u{feff}{}", model("  relu")));
    sandbox.expect(0, &["check", "bom.conv"]);
    sandbox.write("crlf.conv", model("  relu\n  tanh").replace('\n', "\r\n"));
    sandbox.expect(0, &["check", "crlf.conv"]);
    sandbox.write("bom.conv", format!("\u{feff}wobble m {{ }}\n{}", model("  relu")));
    sandbox.refuse(&["check", "bom.conv"], &["bom.conv:1:1"]);
    sandbox.write("crlf.conv", model("  relu\n  wobble").replace('\n', "\r\n"));
    sandbox.refuse(&["check", "crlf.conv"], &["crlf.conv:4:3"]);

    refused(b"model m {\n  input x [3, 8, 8]\n  relu # \xff\xfe\n}\n", &["UTF-8"]);
    refused(b"\xff\xfem\0o\0d\0e\0l\0", &["UTF-8"]);
    refused(b"\x7fELF\x02\x01\x01\0\0\0\0\0", &["m.conv"]);
    refused(model("  relu\0"), &["m.conv:3"]);
}

#[test]
fn the_caret_stands_under_wide_characters() {
    let sandbox = Sandbox::with_model(&model("  y = \"図図\" + wobble"));
    let ran = sandbox.refuse(&["check", "m.conv"], &["wobble"]);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    let width = |text: &str| text.chars().map(|c| if c == '図' { 2 } else { 1 }).sum::<usize>();
    let below_wobble = lines.windows(2).any(|pair| {
        let Some((before, _)) = pair[0].split_once("wobble") else { return false };
        let Some((space, _)) = pair[1].split_once('^') else { return false };
        pair[0].contains('図') && width(before) == width(space)
    });
    assert!(below_wobble, "{}", ran.stdout);
}

#[test]
fn a_text_past_the_limit() {
    refused(vec![b'#'; 17 << 20], &["m.conv"]);
}

#[test]
fn many_errors_end() {
    let sandbox = Sandbox::with_model(&model(&"  wobble\n".repeat(20_000)));
    let ran = sandbox.refuse(&["check", "m.conv"], &["wobble"]);
    assert!(ran.stdout.lines().count() < 2_000, "{} lines", ran.stdout.lines().count());
}

#[cfg(unix)]
#[test]
fn a_model_that_is_no_file() {
    let sandbox = Sandbox::new();
    sandbox.folder("folder.conv");
    sandbox.refuse(&["check", "folder.conv"], &["folder.conv"]);
    sandbox.refuse(&["run", "folder.conv"], &["folder.conv"]);
    crate::bad_places::fifo(&sandbox, "fifo.conv");
    sandbox.refuse(&["check", "fifo.conv"], &["fifo.conv"]);
    sandbox.refuse(&["check", "/dev/zero"], &["/dev/zero"]);
    sandbox.refuse(&["run", "/dev/zero"], &["/dev/zero"]);
    sandbox.refuse(&["fmt", "/dev/zero"], &["/dev/zero"]);
}
