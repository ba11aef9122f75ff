//! The memory of a run, stated beforehand.
//!
//! A binary of its own with one test, for it counts what the whole process holds.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

struct Counting;

/// Bytes that are allocated now, and the most that were since somebody last looked.
static LIVE: AtomicU64 = AtomicU64::new(0);
static PEAK: AtomicU64 = AtomicU64::new(0);

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size() as u64, Ordering::Relaxed) + layout.size() as u64;
        PEAK.fetch_max(live, Ordering::Relaxed);
        // SAFETY: as the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as u64, Ordering::Relaxed);
        // SAFETY: as the caller's.
        unsafe { System.dealloc(start, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most bytes that some work held at once.
fn peak(work: impl FnOnce()) -> u64 {
    let before = LIVE.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    work();
    PEAK.load(Ordering::Relaxed) - before
}

/// Reads a model, compiles it, and runs it on an input: what `convc run` does. The peak is what
/// [`convc::model::memory`] said before, give or take a tenth.
#[track_caller]
fn memory_is_as_stated(what: &str, options: &convc::Options, open: &dyn Fn() -> convc::Model) {
    let (graph, _) = open().graph(options).expect("it has no errors");
    let stated = convc::model::memory(&graph, options).expect("it can be planned").total();
    drop(graph);
    let held = peak(|| {
        let model = open();
        let (graph, _) = model.graph(options).expect("it has no errors");
        let dims = |value| graph.ty(value).dims.iter().map(|&d| d as usize).collect::<Vec<_>>();
        let inputs =
            graph.inputs.iter().map(|i| convc::Tensor::zeros(&dims(i.value)).expect("there is memory"));
        let inputs: Vec<convc::Tensor> = inputs.collect();
        let program = model.compile(options).expect("it compiles");
        let views: Vec<_> = inputs.iter().map(convc::Tensor::view).collect();
        program.run(&views).expect("it runs");
    });
    let apart = held.abs_diff(stated) as f64 / stated as f64;
    assert!(apart <= 0.1, "{what}: {stated} bytes were stated, {held} were held: {:.1} %", 100.0 * apart);
}

#[test]
fn the_memory_of_a_run_is_known_before() {
    let none = convc::Options::default();
    let text = |path: &'static str| move || convc::Model::from_path(path).expect("an example parses");
    memory_is_as_stated("seeded weights", &none, &text("examples/resnet18.conv"));
    memory_is_as_stated(
        "many values",
        &none.clone().size("H", 256).size("W", 256),
        &text("examples/unet.conv"),
    );
    let sizes = none.clone().size("H", 300).size("W", 451);
    memory_is_as_stated("a small weight file", &sizes, &text("examples/upscale4x.conv"));

    let folder = tempfile::tempdir().expect("a folder");
    let model = convc::Model::from_path("examples/resnet18.conv").expect("it parses");
    let program = model.compile(&none).expect("it compiles");
    let (graph, tensors) = (program.graph(), program.params().tensors());
    let table = graph.params.iter().zip(tensors).map(|(p, t)| (p.key.clone(), t.clone().into())).collect();
    let weights = folder.path().join("w.safetensors");
    let bytes = convc::runtime::params::to_safetensors(&table).expect("it can be written");
    std::fs::write(&weights, bytes).expect("it is written");
    let network = folder.path().join("m.onnx");
    std::fs::write(&network, convc::onnx::export::export(graph, tensors).expect("it has the operators"))
        .expect("it is written");
    drop((program, table));
    let matrices = folder.path().join("products.onnx");
    let text = "model m {\n  input x [4, 1024]\n  param a [1024, 1024]\n  param b [1024, 1024]\n  \
                y = matmul(x, a)\n  matmul(y, b)\n}";
    let products = convc::Model::from_str("products.conv", text).expect("it parses");
    let products = products.compile(&none).expect("it compiles");
    let bytes = convc::onnx::export::export(products.graph(), products.params().tensors());
    std::fs::write(&matrices, bytes.expect("it has the operators")).expect("it is written");
    drop(products);
    memory_is_as_stated("a weight file", &none.clone().weights_file(weights), &|| model.clone());
    let open = || convc::Model::from_onnx(&network, &Default::default()).expect("it can be imported");
    memory_is_as_stated("an ONNX file", &none, &open);
    // Products of matrices are linear layers, whose weights are the transposed ones.
    let open = || convc::Model::from_onnx(&matrices, &Default::default()).expect("it can be imported");
    memory_is_as_stated("an ONNX file of products", &none, &open);
}
