//! One run: inputs, program, outputs.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Args;
use super::save::{self, Destination, Kind};
use super::summary::{Classes, Summary};
use crate::cli::choice::Choice;
use crate::cli::console::{Console, Format, shown};
use crate::cli::failure::{Failure, Outcome};
use crate::cli::inputs::{self, Bound, Declared, Inputs, Origin, Ready};
use crate::cli::making::Making;
use crate::cli::models::{Compiled, Opened};
use crate::cli::report::{bytes, seconds, shape};
use crate::cli::values::Named;
use crate::graph::Graph;
use crate::io::picture::{self, PictureError};
use crate::io::{atomic, npy, npz};
use crate::tensor::{Tensor, TensorView};

/// The outputs of a run.
pub(super) struct Results {
    pub(super) tensors: Vec<Tensor>,
    pub(super) summaries: Vec<Summary>,
    pub(super) time: Duration,
}

/// Reads the inputs, compiles for their sizes, runs once and writes the outputs.
pub(super) fn once(
    args: &Args,
    model: &Opened,
    given: &[Named],
    console: &mut Console,
) -> Result<Outcome, Failure> {
    args.output.iter().try_for_each(|out| Kind::of(&out.file).map(drop))?;
    let memory = args.making.memory();
    let mut bound = Bound::new(args.sizes());
    let inputs = inputs::read(model, given, &mut bound, args.conversion(memory), args.making.seed(), console)?;
    for note in inputs.ready.iter().flat_map(|r| &r.notes) {
        console.note(note);
    }
    let held = inputs.bytes();
    let options = args.making.options(model, &bound.sizes(), memory.saturating_sub(held))?;
    let options = inputs.declare(model.inputs(), options);
    // What is wrong with the outputs shows before anything is compiled.
    let graph = model.graph(&options, console)?;
    let names: Vec<&str> = graph.outputs.iter().map(|o| o.name.as_str()).collect();
    let destinations = save::destinations(&args.output, &names)?;
    let read = files_read(&args.choice, &args.making, model, &graph, &inputs);
    destinations.iter().try_for_each(|d| save::check(&d.path, &read))?;
    drop(graph);

    let compiled = model.compile(&options, console)?;
    say_seeded(compiled.seeded(), args.making.seed(), console);
    console.status(compiled.describe());
    let samples = inputs.samples(model.inputs());
    compiled.check_batch(samples, memory.saturating_sub(held))?;
    let results = run(&compiled, &inputs)?;
    console.status(format!("run in {}, with {} of memory", seconds(results.time), bytes(compiled.memory(samples))));

    let mut notes = Vec::new();
    for destination in &destinations {
        write(destination, &compiled, &results.tensors, args.normalize, &read, &mut notes)?;
    }
    notes.iter().for_each(|n| console.note(n));
    match args.format {
        Format::Text => results.summaries.iter().try_for_each(|s| s.print(console))?,
        Format::Json => {
            let document = json!({
                "ok": true,
                "model": compiled.graph().name,
                "inputs": inputs_as_json(model, &inputs),
                "outputs": outputs_as_json(&results, &destinations),
                "notes": inputs.ready.iter().flat_map(|r| &r.notes).chain(&notes).collect::<Vec<_>>(),
                "compile_ms": milliseconds(compiled.compile_time()),
                "run_ms": milliseconds(results.time),
                "memory_bytes": compiled.memory(samples),
            });
            console.json(&document)?;
        }
    }
    Ok(Outcome::Fine)
}

/// The files that no output may be written over.
pub(in crate::cli) fn files_read(
    choice: &Choice,
    making: &Making,
    model: &Opened,
    graph: &Graph,
    inputs: &Inputs,
) -> Vec<PathBuf> {
    let named = [&graph.weights, &graph.labels].into_iter().flatten().map(|f| model.folder().join(&f.path));
    let mut read = inputs.files();
    read.push(choice.path().to_path_buf());
    read.extend(making.weights().cloned());
    read.extend(named);
    read
}

/// Runs a program on its inputs.
pub(super) fn run(compiled: &Compiled, inputs: &Inputs) -> Result<Results, Failure> {
    let views: Vec<TensorView<'_>> = inputs.ready.iter().map(|r| r.tensor.view()).collect();
    let start = Instant::now();
    let tensors = compiled.run(&views)?;
    let time = start.elapsed();
    let (graph, labels) = (compiled.graph(), compiled.labels());
    let summarise = |(output, tensor): (&crate::graph::Output, &Tensor)| {
        let batched = graph.ty(output.value).batched;
        let classes = is_classes(graph, output, labels).then_some(Classes { labels, batched });
        Summary::new(&output.name, tensor, classes)
    };
    let summaries = graph.outputs.iter().zip(&tensors).map(summarise).collect();
    Ok(Results { tensors, summaries, time })
}

/// Says that the weights are random, since results then mean nothing.
pub(in crate::cli) fn say_seeded(seeded: bool, seed: u64, console: &Console) {
    if seeded {
        console.note(format!(
            "the weights are random numbers of seed {}: the model names no weight file; --weights FILE gives one",
            seed
        ));
    }
}

/// Whether an output is a vector of classes: it comes from a softmax over its only long axis, or the
/// model names as many labels.
fn is_classes(graph: &Graph, output: &crate::graph::Output, labels: &[String]) -> bool {
    let node = graph.node(output.value);
    let elements = node.ty.elements();
    let vector = elements > 1 && node.ty.dims.contains(&elements);
    vector && (matches!(node.op, crate::graph::Op::Softmax { .. }) || labels.len() as u64 == elements)
}

/// Writes one file; what was done to the values goes to the notes.
pub(in crate::cli) fn write(
    destination: &Destination,
    compiled: &Compiled,
    tensors: &[Tensor],
    normalize: bool,
    read: &[PathBuf],
    notes: &mut Vec<String>,
) -> Result<(), Failure> {
    let path = &destination.path;
    let read: Vec<&std::path::Path> = read.iter().map(PathBuf::as_path).collect();
    let outputs = &compiled.graph().outputs;
    let chosen: Vec<(&str, TensorView<'_>)> = destination
        .outputs
        .iter()
        .filter_map(|&i| Some((outputs.get(i)?.name.as_str(), tensors.get(i)?.view())))
        .collect();
    let written = match (destination.kind, chosen.as_slice()) {
        (Kind::Npz, arrays) => atomic::write(path, &read, |out| npz::write(arrays, out)),
        (Kind::Npy, [(_, tensor)]) => atomic::write(path, &read, |out| npy::write(*tensor, out)),
        (Kind::Picture(format), [(name, tensor)]) => {
            let batched = destination.outputs.first().and_then(|&i| compiled.output_batched(i));
            let dims = one_sample(*tensor, batched.unwrap_or(false)).map_err(|f| f.about(&shown(path)))?;
            let view = TensorView::new(&dims, tensor.data()).map_err(|e| Failure::Bug(e.to_string()))?;
            let encoded = picture::encode(view, format, normalize).map_err(|e| {
                let failure = Failure::data(format!("{}: {e}", shown(path)));
                match e {
                    PictureError::NotAPicture(_) => failure.help("an array can be written: -o out.npy"),
                    _ => failure,
                }
            })?;
            notes.extend(encoded.notes.iter().map(|n| format!("{name}: {n}")));
            atomic::write(path, &read, |out| io::Write::write_all(out, &encoded.bytes))
        }
        _ => return Err(Failure::Bug("a file of one output was given several".to_owned())),
    };
    written.map_err(Failure::file)
}

/// The axes of the one sample that a picture can show; axes of length 1 before the last three are left
/// out.
pub(super) fn one_sample(tensor: TensorView<'_>, batched: bool) -> Result<Vec<usize>, Failure> {
    let axes = tensor.shape();
    let (samples, dims) = match (batched, axes) {
        (true, [n, dims @ ..]) => (*n, dims),
        (_, dims) => (1, dims),
    };
    if samples != 1 {
        return Err(Failure::data(format!("the output is a batch of {samples}, shape {}", shape(axes)))
            .help("an array can hold it: -o out.npy; or map the model over files with --each"));
    }
    let (before, last) = dims.split_at(dims.len().saturating_sub(3));
    if dims.len() < 2 || before.iter().any(|&n| n != 1) {
        return Err(Failure::data(format!("the output has the shape {}, which is no picture", shape(dims)))
            .help("an array can hold it: -o out.npy"));
    }
    Ok(last.to_vec())
}

pub(in crate::cli) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

pub(in crate::cli) fn inputs_as_json(model: &Opened, inputs: &Inputs) -> Vec<Value> {
    let one = |((declared, ready), origin): ((&Declared, &Ready), &Origin)| {
        let (from, file) = match origin {
            Origin::File(path) => ("file", Some(shown(path))),
            Origin::Default(path) => ("default", Some(shown(path))),
            Origin::Random => ("random", None),
        };
        json!({ "name": declared.name, "shape": ready.tensor.shape(), "from": from, "file": file })
    };
    model.inputs().iter().zip(&inputs.ready).zip(&inputs.origins).map(one).collect()
}

fn outputs_as_json(results: &Results, destinations: &[Destination]) -> Vec<Value> {
    let one = |(i, summary): (usize, &Summary)| {
        let files: Vec<String> =
            destinations.iter().filter(|d| d.outputs.contains(&i)).map(|d| shown(&d.path)).collect();
        let mut value = summary.as_json();
        if let Some(object) = value.as_object_mut() {
            object.insert("files".to_owned(), files.into());
        }
        value
    };
    results.summaries.iter().enumerate().map(one).collect()
}
