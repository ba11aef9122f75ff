//! Temporary flat writer.
use std::collections::BTreeMap;
use std::sync::Arc;

use super::draft::{Axis, Draft, Operand, Ref, Setting, What};
use crate::tensor::Tensor;

pub struct WriteOptions {
    pub blocks: bool,
    pub weights_file: Option<String>,
    pub comment: Vec<String>,
    pub fixed: Option<Vec<Vec<bool>>>,
}
pub struct Imported {
    pub text: String,
    pub weights: BTreeMap<String, Arc<Tensor>>,
}

fn num(v: f32) -> String {
    if v == f32::INFINITY { return "1e39".into(); }
    if v == f32::NEG_INFINITY { return "-1e39".into(); }
    format!("{v:?}")
}

fn setting(s: &Setting) -> String {
    match s {
        Setting::Whole(n) => n.to_string(),
        Setting::Pair([a, b]) => format!("({a}, {b})"),
        Setting::Sides([[a, b], [c, d]]) => format!("(({a}, {b}), ({c}, {d}))"),
        Setting::Number(x) => num(*x),
        Setting::Numbers([a, b]) => format!("({a:?}, {b:?})"),
        Setting::Spans([[a, b], [c, d]]) => format!("(({}, {}), ({}, {}))", num(*a), num(*b), num(*c), num(*d)),
        Setting::List(l) => format!("{l:?}"),
        Setting::Word(w) => (*w).to_string(),
    }
}

pub fn write(d: &Draft, o: &WriteOptions) -> Imported {
    let mut text = String::new();
    let mut weights = BTreeMap::new();
    for c in &o.comment { text.push_str(&format!("# {c}\n")); }
    text.push_str(&format!("model {} {{\n", if d.name.is_empty() { "net" } else { &d.name }));
    if let Some(w) = &o.weights_file { text.push_str(&format!("  weights \"{w}\"\n")); }
    for i in &d.inputs {
        let axes: Vec<String> = i.axes.iter().map(|a| match a { Axis::Fixed(n) => n.to_string(), Axis::Open(s, _) => s.clone() }).collect();
        text.push_str(&format!("  {} {} [{}]\n", if i.batched { "input" } else { "tensor" }, i.name, axes.join(", ")));
    }
    let outs: BTreeMap<Ref, &String> = d.outputs.iter().map(|(n, r)| (*r, n)).collect();
    let name = |r: Ref| match r {
        Ref::Input(i) => d.inputs[i as usize].name.clone(),
        Ref::Line(i) => outs.get(&r).map_or_else(|| format!("v{i}_"), |n| (*n).clone()),
    };
    let operand = |x: &Operand| match x { Operand::Value(r) => name(*r), Operand::Number(n) => if *n < 0.0 { format!("({})", num(*n)) } else { num(*n) } };
    let list = |s: &[(&'static str, Setting)]| s.iter().map(|(k, v)| format!("{k}={}", setting(v))).collect::<Vec<_>>();
    for (i, l) in d.lines.iter().enumerate() {
        let n = name(Ref::Line(i as u32));
        for (suffix, t) in &l.weights {
            let key = if suffix.is_empty() { n.clone() } else { format!("{n}.{suffix}") };
            weights.insert(key, t.clone());
        }
        let dims: Vec<String> = l.dims.iter().map(u64::to_string).collect();
        let body = match &l.what {
            What::Param => { text.push_str(&format!("  param {n} [{}]\n", dims.join(", "))); continue; }
            What::Layer { x, layer, settings } => {
                let s = list(settings);
                format!("{} |> {layer}{}", name(*x), if s.is_empty() { String::new() } else { format!("({})", s.join(", ")) })
            }
            What::Function { function, operands, settings } => {
                let mut a: Vec<String> = operands.iter().map(operand).collect();
                a.extend(list(settings));
                format!("{function}({})", a.join(", "))
            }
            What::Operator(c, a, b) => format!("{} {c} {}", operand(a), operand(b)),
        };
        text.push_str(&format!("  {n} = {body}\n"));
    }
    let o: Vec<String> = d.outputs.iter().map(|(_, r)| name(*r)).collect();
    text.push_str(&format!("  output {}\n}}\n", o.join(", ")));
    Imported { text, weights }
}
