//! `convc explain`: what each layer does and costs.

mod cost;
mod formula;
mod seen;


use serde_json::{Value, json};

use super::choice::Choice;
use super::console::{Console, Format, escaped};
use super::failure::{Failure, Outcome};
use super::table::{Row, lay_out};
use super::report::{bytes, grouped, short};
use crate::graph::field::{self, Field};
use crate::graph::{Graph, Node, Op};
use crate::model::{Memory, Options, memory};
use cost::Cost;
use seen::Seen;

const EXAMPLES: &str = "\
Examples:
  convc explain lenet.conv
  convc explain edges.conv --size H=480,W=640
  convc explain resnet18.conv --format json";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    choice: Choice,

    /// How results are printed
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

impl Args {
    pub(super) fn format(&self) -> Format {
        self.format
    }
}

pub(super) fn execute(args: &Args, console: &mut Console) -> Result<Outcome, Failure> {
    let model = args.choice.open()?;
    let graph = model.graph_with_defaults(args.choice.sizes(), console)?;
    let explanation = Explanation::new(&graph);
    match args.format {
        Format::Text => explanation.print(console)?,
        Format::Json => console.json(&explanation.as_json())?,
    }
    Ok(Outcome::Fine)
}

const LEGEND: [&str; 3] = [
    "",
    "field: rows × columns of the input that one position of the output depends on; stride: how far",
    "they move from one position to the next; start: where they begin for position 0 (< 0 is padding)",
];

/// A layer and what is said about it.
struct Layer<'a> {
    node: &'a Node,
    operation: String,
    cost: Cost,
    seen: Seen,
    formulas: Vec<String>,
    remarks: Vec<String>,
}

struct Explanation<'a> {
    graph: &'a Graph,
    layers: Vec<Layer<'a>>,
    /// The model's weights, each counted once.
    parameters: u64,
    multiply_adds: u128,
    /// Elements of all inputs and of all outputs.
    ends: [u64; 2],
    /// What a run on this machine takes.
    memory: Option<Memory>,
}

impl<'a> Explanation<'a> {
    fn new(graph: &'a Graph) -> Explanation<'a> {
        let fields = first_fields(graph);
        let computed = |node: &Node| !matches!(node.op, Op::Input(_) | Op::Const(_) | Op::Param(_));
        let layers: Vec<Layer<'_>> = graph
            .values()
            .filter(|(_, node)| computed(node))
            .map(|(value, node)| Layer {
                node,
                operation: formula::describe(&node.op),
                cost: cost::cost(graph, node),
                seen: Seen::new(fields.get(value.index()).and_then(Option::as_ref)),
                formulas: formula::formulas(graph, node),
                remarks: formula::remarks(graph, node),
            })
            .collect();
        let sum = |total: u64, n: u64| total.saturating_add(n);
        Explanation {
            graph,
            parameters: cost::all_trained(graph),
            memory: memory(graph, &Options::default()).ok(),
            multiply_adds: layers.iter().map(|l| l.cost.multiply_adds).sum(),
            ends: [
                graph.inputs.iter().map(|i| graph.ty(i.value).elements()).fold(0, sum),
                graph.outputs.iter().map(|o| graph.ty(o.value).elements()).fold(0, sum),
            ],
            layers,
        }
    }

    /// Weights of a fully connected layer between the same inputs and outputs.
    fn fully_connected(&self) -> u128 {
        u128::from(self.ends[0]) * u128::from(self.ends[1])
    }

    fn print(&self, console: &mut Console) -> Result<(), Failure> {
        let graph = self.graph;
        console.heading(&format!("model {}", escaped(&graph.name)))?;
        for input in &graph.inputs {
            console.line(format_args!("  input {} {}", escaped(&input.name), graph.ty(input.value)))?;
        }
        for output in &graph.outputs {
            console.line(format_args!("  output {} {}", escaped(&output.name), graph.ty(output.value)))?;
        }
        console.line(format_args!(""))?;
        let rows: Vec<Row> = self.layers.iter().map(Layer::row).collect();
        let header = ["layer", "output", "parameters", "mul-adds", "field", "stride", "start", "memory"];
        let mut lines = lay_out(&header, &rows).into_iter();
        if let Some(header) = lines.next() {
            console.heading(&header)?;
        }
        lines.try_for_each(|line| console.line(format_args!("{line}")))?;
        console.line(format_args!(""))?;
        self.totals().iter().try_for_each(|line| console.line(format_args!("{line}")))
    }

    fn totals(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "total: {} parameters ({}), {} multiply-adds",
            grouped(self.parameters.into()),
            bytes(self.parameters.saturating_mul(4)),
            short(self.multiply_adds)
        )];
        let values: u64 = self.layers.iter().map(|l| l.cost.bytes).fold(0, u64::saturating_add);
        lines.push(format!("values: {} if every one above were kept", bytes(values)));
        if let Some(memory) = self.memory {
            lines.push(format!("memory of a run: {}", bytes(memory.total())));
            let Memory { weights, packed, constants, scratch, inputs, outputs } = memory;
            let parts = [
                (weights, "weights"),
                (packed, "packed weights"),
                (constants, "taps and tables"),
                (scratch, "scratch memory for values"),
                (inputs.saturating_add(outputs), "input and output"),
            ];
            let parts = parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", bytes(*n)));
            lines.extend(parts.map(|part| format!("    {part}")));
        }
        let dense = self.fully_connected();
        lines.push(format!(
            "a fully connected layer of the same input and output would need {} weights",
            grouped(dense)
        ));
        let mut product = format!("    {} × {}", grouped(self.ends[0].into()), grouped(self.ends[1].into()));
        if self.parameters > 0 {
            product += &format!(": {} times as many", times(dense, self.parameters));
        }
        lines.push(product);
        lines.extend(LEGEND.iter().map(|l| (*l).to_owned()));
        lines
    }

    fn as_json(&self) -> Value {
        let graph = self.graph;
        let port = |name: &str, value| json!({ "name": name, "shape": graph.ty(value).dims });
        json!({
            "ok": true,
            "model": graph.name,
            "inputs": graph.inputs.iter().map(|i| port(&i.name, i.value)).collect::<Vec<_>>(),
            "outputs": graph.outputs.iter().map(|o| port(&o.name, o.value)).collect::<Vec<_>>(),
            "layers": self.layers.iter().map(Layer::as_json).collect::<Vec<_>>(),
            "total": { "parameters": self.parameters, "multiply_adds": number(self.multiply_adds) },
            "scratch_bytes": self.memory.map(|m| m.scratch),
            "memory": self.memory.map(|m| json!({
                "weight_bytes": m.weights, "packed_bytes": m.packed, "constant_bytes": m.constants,
                "scratch_bytes": m.scratch, "input_bytes": m.inputs, "output_bytes": m.outputs,
                "total_bytes": m.total(),
            })),
            "fully_connected": { "weights": number(self.fully_connected()) },
        })
    }
}

/// Each value's field in the first of the inputs that it depends on.
fn first_fields(graph: &Graph) -> Vec<Option<Field>> {
    let mut first: Vec<Option<Field>> = vec![None; graph.nodes.len()];
    for input in &graph.inputs {
        for (slot, field) in first.iter_mut().zip(field::fields(graph, input)) {
            *slot = slot.or(field);
        }
    }
    first
}

/// How many times as many: `13`, `0.13`.
fn times(many: u128, few: u64) -> String {
    let times = many as f64 / few.max(1) as f64;
    if times >= 10.0 { grouped(times.round() as u128) } else { format!("{times:.2}") }
}

/// A JSON number: exact up to 64 bits, rounded past that.
fn number(n: u128) -> Value {
    u64::try_from(n).map_or_else(|_| json!(n as f64), |n| json!(n))
}

impl Layer<'_> {
    /// What a fully connected layer would need in a convolution's place.
    fn dense(&self) -> Option<String> {
        let weights = self.cost.parameters.max(self.cost.taps);
        (self.cost.dense > 0 && weights > 0).then(|| {
            let times = times(self.cost.dense, weights);
            format!("fully connected: {} weights, {times} times as many", grouped(self.cost.dense))
        })
    }

    fn row(&self) -> Row {
        let parameters = match (self.cost.parameters, self.cost.taps) {
            (0, 0) => "-".to_owned(),
            (0, taps) => format!("{} taps", grouped(taps.into())),
            (n, _) => grouped(n.into()),
        };
        let adds = if self.cost.multiply_adds == 0 { "-".to_owned() } else { short(self.cost.multiply_adds) };
        let mut below = Vec::new();
        if !self.formulas.is_empty() || !self.node.name.starts_with(self.operation.as_str()) {
            below.push(self.operation.clone());
        }
        below.extend(self.formulas.iter().cloned());
        below.extend(self.dense());
        below.extend(self.seen.remark.iter().map(|r| format!("field: {r}")));
        below.extend(self.remarks.iter().map(|r| format!("note: {r}")));
        Row {
            cells: vec![
                escaped(&self.node.name),
                self.node.ty.to_string(),
                parameters,
                adds,
                self.seen.size.clone(),
                self.seen.stride.clone(),
                self.seen.start.clone(),
                bytes(self.cost.bytes),
            ],
            below,
        }
    }

    fn as_json(&self) -> Value {
        json!({
            "name": self.node.name,
            "operation": self.operation,
            "shape": self.node.ty.dims,
            "formulas": self.formulas,
            "notes": self.remarks,
            "parameters": self.cost.parameters,
            "taps": self.cost.taps,
            "fully_connected": number(self.cost.dense),
            "multiply_adds": number(self.cost.multiply_adds),
            "field": self.seen.json,
            "memory_bytes": self.cost.bytes,
        })
    }
}
