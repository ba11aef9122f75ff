//! The library's face: sessions, shapes that do not fit, errors as data.

use std::sync::Arc;

use convc::{Error, Model, Options, Session, Tensor, TensorView};

const DOUBLE: &str = "model double {\n  input x [1, H, W]\n  2 * x\n}\n";

fn ones(shape: &[usize]) -> Tensor {
    Tensor::new(shape, vec![1.0; shape.iter().product()]).expect("the lengths agree")
}

#[test]
fn a_session_keeps_the_programs_last_used() {
    let model = Model::from_str("double.conv", DOUBLE).expect("it parses");
    let session = Session::new(model, Options::default(), 2);
    let (a, b, c) = (ones(&[1, 2, 3]), ones(&[1, 4, 4]), ones(&[1, 5, 1]));
    let program = |x: &Tensor| session.program(&[x.view()]).expect("it compiles");
    let (first_a, first_b) = (program(&a), program(&b));
    assert!(Arc::ptr_eq(&first_a, &program(&a)), "it is still there");
    program(&c);
    // b was used longest ago and made room.
    assert!(Arc::ptr_eq(&first_a, &program(&a)));
    assert!(!Arc::ptr_eq(&first_b, &program(&b)));
    let y = session.run(&[ones(&[3, 1, 2, 3]).view()]).expect("a batch runs on the program of its samples");
    assert_eq!((y[0].shape(), y[0].data()), (&[3, 1, 2, 3][..], &[2.0; 18][..]));
}

/// What a call complains about.
fn complaint(result: Result<Vec<Tensor>, Error>) -> String {
    match result {
        Err(Error::Input { name, message }) => format!("{name}: {message}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn inputs_that_do_not_fit_are_errors() {
    let text = "model add {\n  input a [1, 2, 2]\n  input b [1, 2, 2]\n  a + b\n}\n";
    let program =
        Model::from_str("add.conv", text).and_then(|m| m.compile(&Options::default())).expect("compiles");
    let (one, two, three) = (ones(&[1, 2, 2]), ones(&[2, 1, 2, 2]), ones(&[3, 1, 2, 2]));
    let run = |x: &[&Tensor]| program.run(&x.iter().map(|t| t.view()).collect::<Vec<TensorView<'_>>>());
    assert_eq!(run(&[&two, &two]).expect("batches agree")[0].data(), [2.0; 8]);
    assert_eq!(complaint(run(&[&one])), "add: 1 inputs are given, the model has 2");
    assert_eq!(complaint(run(&[&two, &three])), "b: it has 3 samples, another input has 2");
    let alone = complaint(run(&[&one, &two]));
    assert_eq!(alone, "a: it is one sample without a batch axis, another input has 2 samples");
    let wrong = ones(&[1, 2, 3]);
    let shape = complaint(run(&[&one, &wrong]));
    assert!(shape.starts_with("b: its shape is [1, 2, 3], but the program is for [1, 2, 2]"), "{shape}");

    let mut scratch = program.scratch().expect("there is memory");
    let mut short = [0.0; 3];
    let result = program.run_into(&mut scratch, &[one.view(), one.view()], &mut [&mut short]);
    assert!(matches!(result, Err(Error::Input { .. })), "{result:?}");
}

#[test]
fn an_open_size_is_named() {
    let model = Model::from_str("double.conv", DOUBLE).expect("it parses");
    let error = model.compile(&Options::default().size("H", 3)).expect_err("W is open");
    assert!(matches!(&error, Error::Input { name, .. } if name == "W"), "{error}");
    assert!(model.compile(&Options::default().size("H", 3).size("W", 2)).is_ok());
}

#[test]
fn memory_is_refused_before_it_is_taken() {
    let text = "model m {\n  input x [64, 4096, 4096]\n  c = conv(kernel=3, pad=1, out=64)\n}\n";
    let model = Model::from_str("large.conv", text).expect("it parses");
    let error = model.compile(&Options::default().memory(1 << 30)).expect_err("8 GiB of values");
    let Error::Memory { needed, limit, layer } = error else { panic!("{error}") };
    assert!(needed > 1 << 32 && limit == 1 << 30 && layer.contains("[64, 4096, 4096]"), "{needed} {layer}");
}

#[test]
fn programs_run_in_several_threads_at_once() {
    let program = Model::from_path("examples/edges.conv")
        .and_then(|m| m.compile(&Options::default().input([1, 40, 50])))
        .expect("it compiles");
    let picture =
        Tensor::new(&[1, 40, 50], (0..2000).map(|i| (i * 37 % 101) as f32).collect()).expect("fits");
    let alone = program.run(&[picture.view()]).expect("it runs");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(program.run(&[picture.view()]).expect("it runs")[0], alone[0]));
        }
    });
}

#[test]
fn a_layer_without_a_name_is_told_which_tensors_fit() {
    let folder = tempfile::tempdir().expect("a folder");
    let tensor = |key: &str, shape: &[usize]| {
        (key.to_owned(), shape.to_vec(), vec![0u8; 4 * shape.iter().product::<usize>()])
    };
    let tensors = [
        tensor("stem.weight", &[8, 3, 3, 3]),
        tensor("stem.bias", &[8]),
        tensor("head.weight", &[8, 3, 1, 1]),
    ];
    let views = tensors.iter().map(|(key, shape, data)| {
        let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), data);
        (key.clone(), view.expect("the lengths agree"))
    });
    let bytes = safetensors::serialize(views, None).expect("it can be written");
    std::fs::write(folder.path().join("w.safetensors"), bytes).expect("written");
    let text = "model m {\n  input x [3, 8, 8]\n  weights \"w.safetensors\"\n  conv(kernel=3, out=8)\n  conv(kernel=5, out=2)\n}\n";
    std::fs::write(folder.path().join("m.conv"), text).expect("written");
    let model = Model::from_path(folder.path().join("m.conv")).expect("it parses");
    let notes: Vec<String> =
        model.check(&Options::default()).diagnostics.into_iter().flat_map(|d| d.notes).collect();
    assert_eq!(
        notes,
        [
            "tensors of shape [8, 3, 3, 3] in the file: `stem.weight`",
            "tensors of shape [2, 8, 5, 5] in the file: none"
        ]
    );
}
