//! What programs do to memory: runs allocate nothing, dropped programs leave nothing.
//!
//! A binary of its own, for it has an allocator of its own. That counts what the threads of a run allocate and nothing
//! else: the harness starts and ends the threads of other tests meanwhile.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Barrier, Mutex};

use convc::code::{Backend, Target, assemble};
use convc::kernels::ir::{Arg, Inst, Kernel, Operand, Ptr, Spills, Stmt, VecBinary, Vreg};
use convc::kernels::step::{Base, Call, CallArg, KernelId, Lowered, Nest, Step};
use convc::runtime::{Executor, Loaded, Place, Pool, RunError};

struct Counting;

/// By threads that are watched.
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
/// Bytes that these threads have taken and not given back.
static KEPT: AtomicI64 = AtomicI64::new(0);

thread_local! {
    static WATCHED: Cell<bool> = const { Cell::new(false) };
}

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if WATCHED.get() {
            ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
            KEPT.fetch_add(layout.size() as i64, Ordering::Relaxed);
        }
        // SAFETY: as the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        if WATCHED.get() {
            KEPT.fetch_sub(layout.size() as i64, Ordering::Relaxed);
        }
        // SAFETY: as the caller's.
        unsafe { System.dealloc(start, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often `run` allocates, on the calling thread and on those of a pool.
fn allocations(pool: &Pool, run: impl FnOnce()) -> u64 {
    watched(pool, run).0
}

/// How often `run` allocates, and how many bytes more there are after it.
fn watched(pool: &Pool, run: impl FnOnce()) -> (u64, i64) {
    let threads = pool.threads();
    let on_each = |task: &(dyn Fn() + Sync)| {
        // Each thread has one part, for all must be there at the same time for this to end.
        let all = Barrier::new(threads);
        pool.run(threads, &|_| {
            all.wait();
            task();
        });
    };
    on_each(&|| WATCHED.set(true));
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    on_each(&|| drop(black_box(Box::new(0))));
    let seen = ALLOCATIONS.load(Ordering::Relaxed);
    assert_eq!(seen - before, threads as u64, "one for each of {threads} threads");
    let kept = KEPT.load(Ordering::Relaxed);
    run();
    let (after, more) = (ALLOCATIONS.load(Ordering::Relaxed), KEPT.load(Ordering::Relaxed) - kept);
    on_each(&|| WATCHED.set(false));
    (after - seen, more)
}

/// The tests of this file run one after the other.
static ALONE: Mutex<()> = Mutex::new(());

/// `packed = param + param`, `output = arena = input + packed`, 8 numbers at a time.
fn program() -> Lowered {
    const BYTES: u64 = 4096;
    let at = |ptr| convc::kernels::ir::Addr { ptr: Ptr(ptr), offset: 0 };
    let (a, sum) = (Vreg(0), Vreg(1));
    let add = Kernel {
        name: "add".to_owned(),
        args: vec![Arg::Ptr(Ptr(0)), Arg::Ptr(Ptr(1)), Arg::Ptr(Ptr(2))],
        vregs: 2,
        wides: 0,
        ptrs: 3,
        body: vec![
            Stmt::Inst(Inst::Load { dst: a, addr: at(0) }),
            Stmt::Inst(Inst::Binary { op: VecBinary::Add, dst: sum, a, b: Operand::Mem(at(1)) }),
            Stmt::Inst(Inst::Store { addr: at(2), src: sum }),
        ],
        spills: Spills::Allowed,
    };
    let step = |name: &str, bases: [Base; 3]| Step {
        name: name.to_owned(),
        nests: vec![Nest::new(
            vec![BYTES / 32],
            vec![Call {
                kernel: KernelId(0),
                args: bases
                    .map(|base| CallArg::Ptr { base, offset: 0, strides: vec![32], tables: Vec::new() })
                    .into(),
            }],
        )],
    };
    Lowered {
        kernels: vec![add],
        prepare: vec![step("double", [Base::Param(0), Base::Param(0), Base::Packed])],
        run: vec![
            step("add", [Base::Input(0), Base::Packed, Base::Arena]),
            step("copy", [Base::Arena, Base::Consts, Base::Output(0)]),
        ],
        consts: vec![0; BYTES as usize],
        packed_bytes: BYTES,
        arena_bytes: BYTES,
        local_bytes: 0,
        input_bytes: vec![BYTES],
        output_bytes: vec![BYTES],
        param_bytes: vec![BYTES],
    }
}

fn load() -> Loaded {
    let code = assemble(&program(), &Target::host(), Backend::Cranelift).expect("assembles");
    Loaded::load(&code).expect("loads")
}

#[test]
fn runs_allocate_nothing() {
    let _alone = ALONE.lock();
    let loaded = load();
    let (param, input, mut output) = ([0.5; 1024], [2.0; 1024], [0.0; 1024]);
    let packed = loaded.prepare(&[&param]).expect("prepares");
    let mut scratch = loaded.scratch(1).expect("memory");
    let mut wrong = Ok(());
    let allocations = allocations(&Pool::new(1), || {
        for _ in 0..100 {
            loaded.run(&packed, &[&param], &mut scratch, &[&input], &mut [&mut output]).expect("runs");
        }
        wrong = loaded.run(&packed, &[&param], &mut scratch, &[&input[1..]], &mut [&mut output]);
    });
    assert_eq!(allocations, 0, "in 101 runs");
    assert_eq!(output, [3.0; 1024]);
    assert_eq!(wrong, Err(RunError::Length { place: Place::Input, index: 0, bytes: 4092, expected: 4096 }));
}

/// Bytes of this process's memory that are executable. Fails where some is writable, too.
#[cfg(target_os = "linux")]
fn executable_bytes() -> u64 {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("Linux");
    let mut bytes = 0;
    for line in maps.lines() {
        let mut fields = line.split_whitespace();
        let (Some(range), Some(permissions)) = (fields.next(), fields.next()) else { continue };
        assert!(!permissions.contains("wx"), "writable and executable: {line}");
        if permissions.contains('x') {
            let (start, end) = range.split_once('-').expect("a range");
            let number = |text| u64::from_str_radix(text, 16).expect("hexadecimal");
            bytes += number(end) - number(start);
        }
    }
    bytes
}

#[cfg(target_os = "linux")]
#[test]
fn dropped_programs_are_unmapped() {
    let _alone = ALONE.lock();
    let code = assemble(&program(), &Target::host(), Backend::Cranelift).expect("assembles");
    let before = executable_bytes();
    let one = Loaded::load(&code).expect("loads");
    let bytes = executable_bytes() - before;
    assert!(bytes >= 4096, "{bytes} bytes for a program");
    drop(one);
    for _ in 0..1000 {
        drop(Loaded::load(&code).expect("loads"));
    }
    assert_eq!(executable_bytes(), before);
    let held: Vec<_> = (0..10).map(|_| Loaded::load(&code).expect("loads")).collect();
    assert_eq!(executable_bytes(), before + 10 * bytes);
    drop(held);
    assert_eq!(executable_bytes(), before);
}

/// What the library promises: `run_into` of a compiled model, a batch included, on any number of threads.
#[test]
fn running_a_model_into_given_memory_allocates_nothing() {
    let _alone = ALONE.lock();
    let model = convc::Model::from_path("examples/lenet.conv").expect("the example parses");
    let digits = vec![0.25; 3 * 28 * 28];
    let digits = convc::TensorView::new(&[3, 1, 28, 28], &digits).expect("the lengths agree");
    for threads in [1, 2, 5] {
        let pool = std::sync::Arc::new(Pool::new(threads).with_grain(1));
        let program = model.compile(&convc::Options::default().pool(pool.clone())).expect("it compiles");
        let mut scratch = program.scratch().expect("there is memory");
        let mut classes = vec![0.0; 3 * 10];
        let allocations = allocations(&pool, || {
            for run in 0..10 {
                program.run_into(&mut scratch, &[digits], &mut [&mut classes]).expect("it runs");
                if run % 4 == 0 {
                    // The threads fall asleep.
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
            }
        });
        assert_eq!(allocations, 0, "in 10 runs on {threads} threads");
        assert!((classes.iter().sum::<f32>() - 3.0).abs() < 1e-5, "three softmaxes");
    }
}

/// A run that is given no memory makes its outputs; what lies between is there from the run before.
#[test]
fn runs_keep_what_lies_between_for_the_next() {
    let _alone = ALONE.lock();
    let model = convc::Model::from_path("examples/lenet.conv").expect("the example parses");
    let digit = vec![0.25; 28 * 28];
    let digit = convc::TensorView::new(&[1, 28, 28], &digit).expect("the lengths agree");
    for threads in [1, 2] {
        let pool = std::sync::Arc::new(Pool::new(threads).with_grain(1));
        let program = model.compile(&convc::Options::default().pool(pool.clone())).expect("it compiles");
        let first = program.run(&[digit]).expect("it runs");
        let outputs = allocations(&pool, || drop(program.outputs_for(&[digit]).expect("there is memory")));
        let run = allocations(&pool, || {
            let again = program.run(&[digit]).expect("it runs");
            assert!(again == first);
        });
        assert_eq!(run, outputs + 1, "the outputs, and a list of them, on {threads} threads");
    }
}

#[test]
fn programs_are_shared_and_sent_among_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<convc::Program>();
    shared::<convc::Session>();
    shared::<Pool>();
    shared::<convc::Model>();
    fn sent<T: Send>() {}
    sent::<convc::model::Scratch>();
}

/// As much as a program that runs for a day would take if each step kept a byte.
#[test]
fn ten_thousand_steps_of_training_hold_memory_flat() {
    use convc::train::{Loss, Optimizer, TrainOptions, Trainer};
    use convc::{Model, Options, TensorView};

    let _alone = ALONE.lock();
    let text = "model m {\n input x [1, 6, 6]\n c = conv(kernel=3, out=4)\n bn = batchnorm\n relu\n maxpool(2)\n \
                flatten\n fc = linear(out=3)\n}";
    let model = Model::from_str("m.conv", text).expect("it is sound");
    let mut train = TrainOptions::new(Loss::CrossEntropy);
    train.optimizer = Optimizer::Adam { betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.0, decoupled: false };
    let pool = std::sync::Arc::new(Pool::new(2).with_grain(1));
    let mut trainer = Trainer::new(&model, &Options::default().pool(pool.clone()), train).expect("it trains");
    let x: Vec<f32> = (0..5 * 36).map(|i| ((i * 31) % 17) as f32 / 17.0).collect();
    let (x, classes) = (TensorView::new(&[5, 1, 6, 6], &x), [0.0, 1.0, 2.0, 1.0, 0.0]);
    let (x, t) = (x.expect("the lengths agree"), TensorView::new(&[5], &classes).expect("the lengths agree"));
    // The first step compiles, and the first evaluation.
    let first = trainer.step(&[x], t).expect("it runs");
    trainer.evaluate(&[x], t).expect("it runs");
    let (_, more) = watched(&pool, || {
        for step in 1..10_000 {
            trainer.step(&[x], t).expect("it runs");
            if step % 100 == 0 {
                trainer.evaluate(&[x], t).expect("it runs");
            }
        }
    });
    assert_eq!(more, 0, "bytes more after 10,000 steps");
    assert_eq!(trainer.steps(), 10_000);
    assert!(trainer.evaluate(&[x], t).expect("it runs").loss < f64::from(first));
}
