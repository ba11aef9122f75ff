//! The reference of all layers and functions, as Markdown.

use std::fmt::Write as _;

use super::{Arg, FUNCTIONS, LAYERS, OTHER_NAMES};

const HEAD: &str = "\
# Layers

Every layer, function and built-in kernel, with its settings, defaults, shape rule and an example.
This page is printed from the table that the checker uses (`src/graph/check/table/`); a test holds the
two together and compiles every example. The language around them is in [language.md](language.md),
every error in [errors.md](errors.md).

A *layer* is applied to the current value and its parentheses hold only settings. Shapes are written
without the batch axis, so axis 0 of `[C, H, W]` is that of the channels. Settings that may be given
without their name are marked *first*, *second*.
";

/// `docs/layers.md`.
pub fn reference() -> String {
    let mut out = HEAD.to_owned();
    // Writing to a string does not fail.
    let _ = write_reference(&mut out);
    out
}

fn write_reference(out: &mut String) -> std::fmt::Result {
    writeln!(out, "\n## Layers")?;
    for layer in LAYERS {
        writeln!(out, "\n### {}\n\n{}", layer.name, layer.doc)?;
        settings(out, layer.args, layer.positional)?;
        writeln!(out, "\nShape: {}.", layer.rule)?;
        if layer.elementwise() {
            writeln!(out, "May be called in an expression: `{}(a + b)`.", layer.name)?;
        }
        example(out, layer.name, layer.example)?;
    }
    writeln!(out, "\n## Functions and kernels")?;
    for function in FUNCTIONS {
        writeln!(out, "\n### {}\n\n{}", function.name, function.doc)?;
        settings(out, function.args, function.positional)?;
        example(out, function.name, function.example)?;
    }
    writeln!(out, "\n## What other programs call it\n\n| elsewhere | here |\n|---|---|")?;
    for (other, here) in OTHER_NAMES.iter().filter(|(other, _)| other.len() > 4) {
        writeln!(out, "| `{other}` | `{here}` |")?;
    }
    Ok(())
}

fn settings(out: &mut String, args: &[Arg], positional: usize) -> std::fmt::Result {
    if args.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n| setting | takes | default | |\n|---|---|---|---|")?;
    for (i, arg) in args.iter().enumerate() {
        let default = match (arg.default, arg.required) {
            (Some(text), _) => format!("`{text}`"),
            (None, true) => "must be given".to_owned(),
            (None, false) => String::new(),
        };
        let place = match i {
            0 if positional > 0 => " (*first*)",
            1 if positional > 1 => " (*second*)",
            _ => "",
        };
        writeln!(out, "| `{}`{place} | {} | {default} | {} |", arg.name, arg.kind.describe(), arg.doc)?;
    }
    Ok(())
}

fn example(out: &mut String, name: &str, statements: &str) -> std::fmt::Result {
    writeln!(out, "\n```conv\nmodel {name}_example {{")?;
    for line in statements.lines() {
        writeln!(out, "  {line}")?;
    }
    writeln!(out, "}}\n```")
}
