//! Statements as lines: notes of shapes, repeats, definitions around them.

use std::collections::{BTreeMap, BTreeSet};

use super::emit::{Emitted, Scope, Statement, emit};
use super::names::Names;
use super::node::Node;
use super::{Block, WriteOptions};
use crate::onnx::draft::{Axis, Draft, Ref};
use crate::source::Source;
use crate::syntax;

/// The statements of the model, and what else its body says.
pub(super) struct Model {
    pub(super) names: BTreeMap<Ref, String>,
    lines: Vec<String>,
}

/// Writes the model's body.
pub(super) fn model(draft: &Draft, list: &[Node], blocks: &[Block], options: &WriteOptions) -> Model {
    let mut taken = Names::default();
    let mut outer = BTreeMap::new();
    for (i, input) in draft.inputs.iter().enumerate() {
        taken.take(&input.name);
        outer.insert(Ref::Input(i as u32), input.name.clone());
        for axis in &input.axes {
            if let Axis::Open(symbol, _) = axis {
                taken.take(symbol);
            }
        }
    }
    blocks.iter().for_each(|b| taken.take(&b.name));
    // A single output that is the last value needs no name.
    let last = list.last().map(|n| n.result);
    let plain = matches!(draft.outputs.as_slice(), [(_, value)] if Some(*value) == last);
    let mut kept: BTreeMap<Ref, String> = BTreeMap::new();
    for (name, value) in &draft.outputs {
        let wanted = if plain { String::new() } else { name.clone() };
        kept.entry(*value).or_insert(wanted);
    }
    if !plain {
        // Even a name that says nothing is needed here.
        kept.values_mut().filter(|w| w.is_empty()).for_each(|w| "output_1".clone_into(w));
    }
    let start = (draft.inputs.len() == 1).then_some(Ref::Input(0));
    let scope = Scope {
        draft,
        blocks,
        start,
        outer: outer.clone(),
        kept,
        taken: taken.clone(),
        prefix: String::new(),
        block: None,
    };
    let Emitted { statements, mut names } = emit(list, scope);
    names.values().for_each(|name| taken.take(name));
    let mut lines = lines(draft, list, &statements, start, options);
    if !plain {
        let mut said = BTreeSet::new();
        let mut outputs = Vec::new();
        for (wanted, value) in &draft.outputs {
            let name = names.get(value).or_else(|| outer.get(value)).cloned().unwrap_or_default();
            let is_input = matches!(value, Ref::Input(_));
            if !is_input && said.insert(*value) {
                outputs.push(name);
                continue;
            }
            // A value that is an input, or an output already: the same under a name of its own.
            let own = taken.fresh(wanted, "output_1");
            lines.push(format!("{own} = {name}"));
            outputs.push(own);
        }
        lines.push(format!("output {}", outputs.join(", ")));
    }
    outer.into_iter().for_each(|(value, name)| drop(names.insert(value, name)));
    Model { names, lines }
}

/// The model's statements, those in a row that differ in an index as a `repeat`.
fn lines(
    draft: &Draft,
    list: &[Node],
    statements: &[Statement],
    start: Option<Ref>,
    options: &WriteOptions,
) -> Vec<String> {
    let mut out = Vec::new();
    let mut before = start.and_then(|v| draft.dims(v));
    let mut at = 0;
    while let Some(statement) = statements.get(at) {
        let run = run_of(&statements[at..]);
        let dims = |s: &Statement| draft.dims(list[s.node].result);
        if run > 1
            && let Some((stem, first)) = indexed(statement)
        {
            let index = if first == 0 { "i".to_owned() } else { format!("i + {first}") };
            out.push(format!("repeat {run} as i {{ {stem}{{{index}}} = {} }}", statement.text));
            before = statements.get(at + run - 1).and_then(dims);
            at += run;
            continue;
        }
        let name = statement.name.as_ref().map_or(String::new(), |n| format!("{n} = "));
        let now = dims(statement);
        let note = note(draft, list, statement, before.as_deref(), options);
        out.push(format!("{name}{}{note}", statement.text));
        if !statement.text.starts_with("param ") {
            before = now;
        }
        at += 1;
    }
    out
}

/// A name that ends in a number, `layer1.0`: what is before the number, and the number.
fn indexed(statement: &Statement) -> Option<(&str, u64)> {
    let name = statement.name.as_deref()?;
    let digits = name.len() - name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let (stem, number) = name.split_at(name.len() - digits);
    let sound = !number.is_empty() && (number == "0" || !number.starts_with('0'));
    Some((stem, number.parse().ok().filter(|_| sound)?))
}

/// How many statements in a row are the same but for an index that counts up.
fn run_of(statements: &[Statement]) -> usize {
    let Some(first) = statements.first() else { return 0 };
    let Some((stem, number)) = indexed(first).filter(|_| first.bare) else { return 1 };
    let mut run = 1;
    for (statement, want) in statements.iter().skip(1).zip(number + 1..) {
        let same = statement.bare && statement.text == first.text && indexed(statement) == Some((stem, want));
        if !same {
            break;
        }
        run += 1;
    }
    // Within a repeat a name can still be referred to, but reads worse.
    statements[..run].iter().position(|s| s.referred).map_or(run, |at| at.max(1))
}

/// ` -> [64, 112, 112]` where rows or columns change.
fn note(
    draft: &Draft,
    list: &[Node],
    statement: &Statement,
    before: Option<&[u64]>,
    options: &WriteOptions,
) -> String {
    let result = list[statement.node].result;
    let (Some(now), Some(before), Ref::Line(line)) = (draft.dims(result), before, result) else {
        return String::new();
    };
    let sides = |dims: &[u64]| dims.len().checked_sub(2).map(|from| dims[from..].to_vec());
    if now.len() < 3
        || before.len() < 3
        || sides(&now) == sides(before)
        || statement.text.starts_with("param ")
    {
        return String::new();
    }
    let fixed = options.fixed.as_ref().and_then(|f| f.get(line as usize));
    let axes: Vec<String> = now
        .iter()
        .enumerate()
        .map(|(i, n)| match fixed.and_then(|f| f.get(i)) {
            Some(false) => "_".to_owned(),
            _ => n.to_string(),
        })
        .collect();
    format!(" -> [{}]", axes.join(", "))
}

/// The whole file, formatted.
pub(super) fn text(
    draft: &Draft,
    blocks: &[Block],
    bodies: &[Vec<Statement>],
    model: &Model,
    options: &WriteOptions,
) -> String {
    let mut text = String::new();
    for line in &options.comment {
        text.push_str(&format!("# {line}\n"));
    }
    // A block stands before those that use it: the last one found uses the others.
    for (block, body) in blocks.iter().zip(bodies) {
        let params: Vec<String> = block
            .params
            .order()
            .into_iter()
            .map(|p| match block.params.defaults[p] {
                None => block.params.names[p].clone(),
                Some(default) => format!("{}={default}", block.params.names[p]),
            })
            .collect();
        let params = if params.is_empty() { String::new() } else { format!("({})", params.join(", ")) };
        text.push_str(&format!("block {}{params} {{\n", block.name));
        for statement in body {
            let name = statement.name.as_ref().map_or(String::new(), |n| format!("{n} = "));
            text.push_str(&format!("  {name}{}\n", statement.text));
        }
        text.push_str("}\n\n");
    }
    let mut names = Names::default();
    blocks.iter().for_each(|b| names.take(&b.name));
    text.push_str(&format!("model {} {{\n", names.fresh(&draft.name.replace('.', "_"), "net")));
    for input in &draft.inputs {
        let axes: Vec<String> = input
            .axes
            .iter()
            .map(|axis| match axis {
                Axis::Fixed(n) => n.to_string(),
                Axis::Open(symbol, _) => symbol.clone(),
            })
            .collect();
        let word = if input.batched { "input" } else { "tensor" };
        text.push_str(&format!("  {word} {} [{}]\n", input.name, axes.join(", ")));
    }
    if let Some(file) = &options.weights_file {
        let file = file.replace('\\', "\\\\").replace('"', "\\\"");
        text.push_str(&format!("  weights \"{file}\"\n"));
    }
    for line in &model.lines {
        text.push_str(&format!("  {line}\n"));
    }
    text.push_str("}\n");
    // What does not parse is reported by who parses it next.
    syntax::format(&Source::new("import", text.as_str())).unwrap_or(text)
}
