//! Threads and batches change no bit.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use convc::runtime::{Executor, Pool};
use convc::{Model, Options, Port, Program, Session, Tensor, TensorView};

use crate::cases::data;
use crate::fenced;

fn noise(shape: &[usize]) -> Tensor {
    let mut state = 0x9e37_79b9_u32;
    let data = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    });
    Tensor::new(shape, data.take(shape.iter().product()).collect()).expect("the lengths agree")
}

fn bits(tensors: &[Tensor]) -> Vec<Vec<u32>> {
    tensors.iter().map(|t| t.data().iter().map(|v| v.to_bits()).collect()).collect()
}

/// A batch for each input; all inputs of the models here are batched.
fn batches_of(program: &Program, samples: usize) -> Vec<Tensor> {
    let batch = |port: &Port| noise(&[&[samples], &port.dims[..]].concat());
    program.inputs().iter().map(batch).collect()
}

/// One sample of each batch.
fn sample(batches: &[Tensor], number: usize) -> Vec<Tensor> {
    let one = |x: &Tensor| {
        let each = x.data().len() / x.shape()[0];
        let data = x.data()[number * each..][..each].to_vec();
        Tensor::new(&x.shape()[1..], data).expect("the lengths agree")
    };
    batches.iter().map(one).collect()
}

fn views(tensors: &[Tensor]) -> Vec<TensorView<'_>> {
    tensors.iter().map(Tensor::view).collect()
}

/// The samples of a batch one by one on one thread, and the whole on 1, 2, 3 and 7 threads that split every step; all
/// in buffers beside fences.
fn check(path: &Path, options: &Options) {
    check_model(&path.display().to_string(), &Model::from_path(path).expect("the text parses"), options);
}

/// See [`check`].
fn check_model(what: &str, model: &Model, options: &Options) {
    let [before, after] = fenced::ENDS;
    let compile =
        |options: Options, placement| model.compile(&options.placement(placement)).expect("it compiles");
    let program = compile(options.clone().threads(1), after);
    assert!(program.pool().is_none());
    for samples in [1, 5] {
        let x = batches_of(&program, samples);
        let mut expected = vec![Vec::new(); program.outputs().len()];
        for number in 0..samples {
            let found = fenced::run(&program, after, &views(&sample(&x, number)));
            expected.iter_mut().zip(bits(&found)).for_each(|(all, one)| all.extend(one));
        }
        for threads in [1, 2, 3, 7] {
            let pool = Arc::new(Pool::new(threads).with_grain(1));
            let found = fenced::run_on(&*pool, &program, after, &views(&x));
            assert!(bits(&found) == expected, "{} on {threads}, {samples} samples", what);
            if (samples, threads) != (1, 3) {
                continue;
            }
            // Weights that were packed by these threads are the same.
            let own = compile(options.clone().pool(pool), before);
            let found = fenced::run(&own, before, &views(&x));
            assert!(bits(&found) == expected, "{} packed on {threads}", what);
        }
    }
}

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}

#[test]
fn small_nets() {
    check(&example("lenet.conv"), &Options::default());
    check(&example("edges.conv"), &Options::default().input([1, 37, 53]));
    check(&example("unet.conv"), &Options::default().input([3, 32, 48]));
}

/// Phases of the larger size and of the smaller one, of chunks and of panels.
#[test]
fn dilated_layers() {
    for text in [
        "model odd {\n  input x [24, 31, 37]\n  conv(kernel=3, pad=2, dilation=2, out=40)\n  relu\n  conv(kernel=3, pad=3, dilation=3, out=24)\n  it + x\n}\n",
        "model few {\n  input x [256, 9, 10]\n  conv(kernel=3, pad=2, dilation=(2, 4), out=128)\n}\n",
    ] {
        let model = Model::from_str("dilated.conv", text).expect("it parses");
        check_model(text, &model, &Options::default());
    }
}

#[test]
fn networks_of_classes() {
    check(&example("resnet18.conv"), &Options::default());
    check(&example("mobilenet_v1.conv"), &Options::default());
    check(&example("squeezenet.conv"), &Options::default());
}

#[test]
fn trained_nets() {
    check(&example("upscale4x.conv"), &Options::default().size("H", 17).size("W", 30));
    check(&example("find_faces.conv"), &Options::default().size("H", 29).size("W", 31));
    let mut nets = 0;
    for entry in std::fs::read_dir(data("stages")).expect("the folder can be listed") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|e| e == "conv") {
            check(&path, &Options::default());
            nets += 1;
        }
    }
    assert!(nets > 0);
}

#[test]
fn two_callers_at_once() {
    let model = Model::from_path(example("lenet.conv")).expect("the text parses");
    let [before, after] = fenced::ENDS;
    let alone = model.compile(&Options::default().threads(1).placement(before)).expect("it compiles");
    let pool = Arc::new(Pool::new(3).with_grain(1));
    let program = model.compile(&Options::default().pool(pool).placement(after)).expect("it compiles");
    let x = batches_of(&program, 4).remove(0);
    let expected = bits(&alone.run(&[x.view()]).expect("it runs"));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut scratch = program.scratch().expect("there is memory");
                let mut y = vec![0.0; expected[0].len()];
                for _ in 0..30 {
                    program.run_into(&mut scratch, &[x.view()], &mut [&mut y]).expect("it runs");
                    assert!(y.iter().map(|v| v.to_bits()).eq(expected[0].iter().copied()));
                    y.fill(f32::NAN);
                }
            });
        }
    });
}

#[test]
fn scratch_memory_for_fewer_threads_serves_more() {
    let model = Model::from_path(example("lenet.conv")).expect("the text parses");
    let options = Options::default().threads(1).placement(fenced::ENDS[1]);
    let program = model.compile(&options).expect("it compiles");
    let x = batches_of(&program, 2).remove(0);
    let expected = bits(&program.run(&[x.view()]).expect("it runs"));
    for (room, threads) in [(0, 3), (1, 3), (2, 7), (7, 2)] {
        let pool = Pool::new(threads).with_grain(1);
        let mut scratch = program.scratch_for(room).expect("there is memory");
        let mut y = vec![0.0; expected[0].len()];
        program.run_into_on(&pool, &mut scratch, &[x.view()], &mut [&mut y]).expect("it runs");
        assert!(y.iter().map(|v| v.to_bits()).eq(expected[0].iter().copied()));
    }
}

#[test]
fn threads_are_started_where_work_is_worth_it() {
    let pool_of = |text: &str, threads: usize| {
        let model = Model::from_str("m.conv", text).expect("it parses");
        let program = model.compile(&Options::default().threads(threads)).expect("it compiles");
        program.pool().map(|pool| pool.threads())
    };
    let small = "model m {\n  input x [1, 4, 4]\n  2 * x\n}\n";
    let large = "model m {\n  input x [16, 64, 64]\n  c = conv(kernel=3, pad=1, out=16)\n}\n";
    assert_eq!(pool_of(small, 4), None);
    assert_eq!(pool_of(large, 1), None);
    assert_eq!(pool_of(large, 3), Some(3));
}

#[test]
fn programs_of_a_session_share_their_threads() {
    let text = "model m {\n  input x [16, H, W]\n  c = conv(kernel=3, pad=1, out=16)\n}\n";
    let model = Model::from_str("m.conv", text).expect("it parses");
    let session = Session::new(model, Options::default().threads(2), 3);
    let pool = |h, w| {
        let program = session.program(&[noise(&[16, h, w]).view()]).expect("it compiles");
        program.pool().cloned().expect("it is worth threads")
    };
    let (one, other) = (pool(64, 64), pool(60, 70));
    assert!(Arc::ptr_eq(&one, &other));
}
