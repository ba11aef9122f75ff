//! What `convc train` looks at before it begins, and what it says of what does not fit.

use crate::harness::Sandbox;
use crate::make;
use crate::train::{BASE, archive, sandbox, train};

#[test]
fn options_that_do_not_apply_are_refused() {
    let sandbox = sandbox();
    for (more, says) in [
        (&["--optimizer", "adam", "--momentum", "0.9"][..], "--momentum is for --optimizer sgd"),
        (&["--optimizer", "adamw", "--nesterov"], "--nesterov is for --optimizer sgd"),
        (&["--betas", "0.9,0.99"], "--betas is for --optimizer adam"),
        (&["--eps", "1e-6"], "--eps is for --optimizer adam"),
        (&["--step-every", "3"], "--step-every is for --schedule step"),
        (&["--schedule", "cosine", "--step-factor", "0.5"], "--step-factor is for --schedule step"),
        (&["--schedule", "step", "--step-every", "0"], "it must be at least 1"),
        (&["--epochs", "0"], "there is at least one"),
        (&["--save-at", "1,11"], "--save-at 11: the steps are 1 to 10"),
        (&["--save-at", "0"], "--save-at 0"),
        (&["--lr", "nan"], "no learning rate"),
        (&["--lr", "1e39"], "a finite number"),
        (&["--weight-decay", "nan"], "weight decay is NaN"),
        (&["--momentum=-3"], "momentum is -3.0"),
        (&["--optimizer", "adam", "--betas", "0.9,1"], "beta is 1.0"),
        (&["--optimizer", "adam", "--eps", "nan"], "eps is NaN"),
        (&["--val", "0.01"], "none to validate with"),
        (&["--val", "0.99"], "none to train on"),
    ] {
        sandbox.refuse_with(2, &train(more), &[says]);
    }
    for (more, says) in [
        (&["--lr", "-1"][..], "-1 is no learning rate"),
        (&["--lr", "inf"], "inf is no learning rate"),
        (&["--weight-decay", "-1"], "weight decay is -1.0"),
        (&["--momentum", "1.5"], "from 0 to below 1"),
        (&["--plot", "loss.png"], "a name that ends in .svg"),
    ] {
        sandbox.refuse_with(2, &train(more), &[says]);
    }
    assert!(!sandbox.files().contains(&"weights.safetensors".to_owned()));
}

#[test]
fn places_are_looked_at_first() {
    let sandbox = sandbox();
    sandbox.write("o.npy", make::npy(&[1, 1], &[0.0]));
    for more in
        [["-o", "none/w"], ["--plot", "none/l.svg"], ["--losses", "none/l.npy"], ["--checkpoint", "none/c"]]
    {
        sandbox.refuse(&train(&more), &[more[1]]);
    }
    sandbox.refuse(&train(&["--losses", "d.npz"]), &["d.npz"]);
    sandbox.refuse(&train(&["--batch-order", "o.npy", "-o", "o.npy"]), &["o.npy"]);
    sandbox.write("v.npz", sandbox.read("d.npz"));
    sandbox.refuse(&train(&["--val", "v.npz", "-o", "v.npz"]), &["v.npz"]);
    sandbox.folder("f");
    for more in [
        &["-o", "q", "--checkpoint", "q"][..],
        &["-o", "q", "--checkpoint", "f/../q"],
        &["--plot", "l.svg", "--losses", "l.svg"],
        &["-o", "q.safetensors", "--save-at", "3", "--losses", "q.step3.safetensors"],
    ] {
        sandbox.refuse_with(2, &train(more), &["would both write"]);
    }
    assert_eq!(sandbox.files(), ["d.npz", "m.conv", "o.npy", "v.npz"]);
    for output in ["lr0.1", "lr0.2"] {
        sandbox.expect(0, &train(&["-o", output, "--epochs", "1", "--save-at", "1"]));
    }
    let files = sandbox.files();
    for file in
        ["lr0.1", "lr0.1.checkpoint.safetensors", "lr0.2.checkpoint.safetensors", "lr0.2.step1.safetensors"]
    {
        assert!(files.contains(&file.to_owned()), "{files:?}");
    }
}

/// Its weights could not be loaded again.
#[test]
fn a_model_with_unnamed_layers_is_refused() {
    let sandbox = sandbox();
    sandbox.write("m.conv", "model net {\n  input x [1, 2, 2]\n  flatten\n  linear(out=2)\n}\n");
    sandbox.refuse(&BASE, &["E0212", "linear1 = "]);
}

#[test]
fn a_checkpoint_of_another_course_is_refused() {
    let sandbox = sandbox();
    sandbox.expect(0, &train(&["--batch", "3", "--seed", "5", "--epochs", "2", "-o", "h"]));
    let resume = |more: &[&'static str]| train(&[&["--resume", "h.checkpoint.safetensors"], more].concat());
    sandbox.refuse(&resume(&["--seed", "5"]), &["with batch 3; this one has 8", "--batch 3 goes on"]);
    sandbox.refuse(&resume(&["--batch", "3"]), &["with seed 5; this one has 0", "--seed 5 goes on"]);
    let adam = ["--batch", "3", "--seed", "5", "--optimizer", "adam"];
    sandbox.refuse(&resume(&adam), &["with optimizer sgd; this one has adam", "--optimizer sgd goes on"]);
    let fewer = ["--batch", "3", "--seed", "5", "--val", "0.25"];
    sandbox.refuse(&resume(&fewer), &["with samples 8; this one has 6", "data that it was trained with"]);
    let changed: [(&[&'static str], &[&str]); 4] = [
        (&["--weight-decay", "0.1"], &["with weight-decay 0; this one has 0.1", "--weight-decay 0 goes on"]),
        (&["--momentum", "0.9"], &["with optimizer sgd; this one has", "it goes on without --momentum"]),
        (&["--math", "strict"], &["with math default; this one has strict", "--math default goes on"]),
        (&["--batch-order", "o.npy"], &["with batch-order shuffled", "it goes on without --batch-order"]),
    ];
    sandbox.write("o.npy", make::npy(&[9, 3], &[0.0; 27]));
    for (options, says) in changed {
        let ordered = options[0] == "--batch-order";
        let same: &[&'static str] =
            if ordered { &[] } else { &["--batch", "3", "--seed", "5", "--epochs", "4"] };
        sandbox.refuse(&resume(&[same, options].concat()), says);
    }
    for given in [["--init", "h"], ["--scheme", "zeros"], ["--weights", "h"]] {
        sandbox.refuse_with(2, &resume(&given), &["cannot be used with"]);
    }
    let more = ["--batch", "3", "--seed", "5", "--epochs", "4", "--losses", "l.npy", "-o", "h"];
    let ran = sandbox.expect(0, &resume(&more));
    assert!(ran.stderr.contains("the losses are those of steps 7 to 12"), "{}", ran.stderr);
    assert_eq!(make::read_npy(&sandbox.read("l.npy")).0, [6]);
}

#[test]
fn batch_order_says_batch_and_epochs() {
    let sandbox = sandbox();
    let numbers: Vec<f32> = (0..20).map(|i| (i % 8) as f32).collect();
    sandbox.write("o.npy", make::npy(&[5, 4], &numbers));
    let ordered = |more: &[&'static str]| train(&[&["--batch-order", "o.npy"], more].concat());
    // 2 steps are an epoch.
    let ran = sandbox.expect(0, &ordered(&["--val", "d.npz"]));
    assert!(ran.stderr.contains("epoch 3/3") && ran.stdout.contains("5 steps"), "{ran:?}");
    assert_eq!(ran.stderr.matches("validation loss").count(), 3, "{}", ran.stderr);
    sandbox.expect(0, &ordered(&["--batch", "4"]));
    sandbox.refuse_with(2, &ordered(&["--batch", "3"]), &["--batch-order have 4 samples"]);
    sandbox.refuse_with(2, &ordered(&["--epochs", "2"]), &["--batch-order has 5 steps, not 4"]);
}

#[test]
fn validation_folders_are_told_by_their_names() {
    let sandbox =
        Sandbox::with_model("model net {\n  input x [1, 2, 2]\n  flatten\n  f = linear(out=3)\n}\n");
    let folders = |root: &str, classes: &[(&str, u8)]| {
        sandbox.folder(root);
        for (class, bright) in classes {
            sandbox.folder(&format!("{root}/{class}"));
            for i in 0..3u8 {
                let pixels = [*bright, 255 - bright, bright + i, 128];
                sandbox.write(&format!("{root}/{class}/{i}.png"), make::grey_png(&pixels, 2));
            }
        }
    };
    folders("tr", &[("bird", 10), ("cat", 120), ("dog", 240)]);
    folders("va", &[("bird", 10), ("dog", 240)]);
    folders("bad", &[("bird", 10), ("cow", 100)]);
    let asked = |val| {
        let how = ["--optimizer", "adam", "--lr", "0.05", "--epochs", "300"];
        [&["train", "m.conv", "--data", "tr", "--loss", "cross_entropy", "--val", val][..], &how].concat()
    };
    let ran = sandbox.expect(0, &asked("va"));
    assert!(ran.stderr.contains("accuracy 100.00 %"), "{}", ran.stderr);
    sandbox.refuse(&asked("bad"), &["cow", "no such class", "bird, cat, dog"]);
}

#[test]
fn arrays_of_grey_pictures_may_lack_the_axis_of_channels() {
    let sandbox = sandbox();
    let y: Vec<f32> = (0..8).map(|i| (i % 2) as f32).collect();
    let x: Vec<f32> = (0..32).map(|i| if i % 4 == 0 { ((i / 4) % 2) as f32 } else { 0.5 }).collect();
    sandbox.write("grey.npz", archive(&[("x_train", &[8, 2, 2], &x), ("y_train", &[8], &y)]));
    sandbox.expect(0, &train(&["-o", "a"]));
    let mut grey = train(&["-o", "b"]);
    grey[3] = "grey.npz";
    sandbox.expect(0, &grey);
    assert_eq!(sandbox.read("a"), sandbox.read("b"));
}

#[test]
fn mnists_files_are_to_be_unpacked() {
    let sandbox = sandbox();
    sandbox.folder("mnist");
    sandbox.write("mnist/train-images-idx3-ubyte.gz", [31, 139]);
    let asked = ["train", "m.conv", "--data", "mnist", "--loss", "cross_entropy"];
    sandbox.refuse(&asked, &["train-images-idx3-ubyte.gz", "it is packed", "gunzip"]);
}

#[test]
fn a_last_batch_of_one_sample_has_no_variance() {
    let sandbox = sandbox();
    sandbox.write(
        "m.conv",
        "model net {\n  input x [1, 2, 2]\n  flatten\n  b = batchnorm\n  f = linear(out=2)\n}\n",
    );
    sandbox.refuse(&train(&["--batch", "7"]), &["`b`", "one value for each channel", "another --batch"]);
    assert_eq!(sandbox.files(), ["d.npz", "m.conv"]);
    sandbox.expect(0, &train(&["--batch", "4"]));
}

/// Memory is asked for all that will be run before an epoch is spent; and what the samples take counts.
#[test]
fn memory_is_asked_for_before_the_first_step() {
    let sandbox = Sandbox::with_model(
        "model net {\n  input x [1, 32, 32]\n  c = conv(kernel=3, out=32, pad=1)\n  relu\n  d = conv(kernel=3, out=1, pad=1)\n}\n",
    );
    let x = vec![0.5; 100 * 1024];
    sandbox.write("d.npz", archive(&[("x", &[100, 1, 32, 32], &x), ("y", &[100, 1, 32, 32], &x)]));
    let asked = |more: &[&'static str]| {
        [
            &["train", "m.conv", "--data", "d.npz", "--loss", "mse", "--epochs", "1", "--threads", "1"][..],
            more,
        ]
        .concat()
    };
    sandbox.refuse(&asked(&["--batch", "100", "--memory", "4M"]), &["of memory are needed", "--memory"]);
    sandbox.refuse(&asked(&["--batch", "100", "--memory", "12M"]), &["of memory are needed"]);
    assert_eq!(sandbox.files(), ["d.npz", "m.conv"]);
    // A validation takes no more samples at once than a step.
    sandbox.expect(0, &asked(&["--batch", "1", "--val", "d.npz", "--memory", "12M"]));
}

#[test]
fn curves_are_there_also_where_the_loss_was_not_finite() {
    let sandbox = sandbox();
    let x: Vec<f32> = (0..32).map(|i| i as f32 * 1e18).collect();
    let y: Vec<f32> = x.chunks(4).flat_map(|c| [c[0], -c[1]]).collect();
    sandbox.write("huge.npz", archive(&[("x", &[8, 1, 2, 2], &x), ("y", &[8, 2], &y)]));
    let mut asked = train(&["--plot", "l.svg", "--losses", "l.npy", "--batch", "8", "--lr", "1e-20"]);
    (asked[3], asked[5]) = ("huge.npz", "mse");
    let ran = sandbox.expect(1, &asked);
    assert_eq!(
        ran.stderr.matches("learning rate").count() + ran.stderr.matches("smaller --lr").count(),
        1,
        "{ran:?}"
    );
    let (shape, losses) = make::read_npy(&sandbox.read("l.npy"));
    assert!(shape[0] > 0 && !losses[shape[0] - 1].is_finite(), "{losses:?}");
    assert!(sandbox.files().contains(&"l.svg".to_owned()));
    assert!(!sandbox.files().contains(&"weights.safetensors".to_owned()));
}

/// The training set of the file has its classes the other way round.
#[test]
fn validation_is_with_the_test_set_of_a_file() {
    let sandbox = sandbox();
    let (pixels, y) = ([1.0, 0.5, 0.5, 0.5, 0.0, 0.5, 0.5, 0.5], [1.0, 0.0]);
    let x: (&[usize], &[f32]) = (&[2, 1, 2, 2], &pixels);
    let arrays = [
        ("x_train", x.0, x.1),
        ("y_train", &[2][..], &[0.0, 1.0][..]),
        ("x_test", x.0, x.1),
        ("y_test", &[2], &y),
    ];
    let write = |name: &str, arrays: &[(&str, &[usize], &[f32])]| sandbox.write(name, archive(arrays));
    write("v.npz", &arrays);
    let ran = sandbox.expect(0, &train(&["--val", "v.npz", "--epochs", "60", "--lr", "1"]));
    assert!(ran.stderr.contains("accuracy 100.00 %"), "{}", ran.stderr);
    write("half.npz", &arrays[..3]);
    sandbox.refuse(&train(&["--val", "half.npz"]), &["it has `x_test`, but no `y_test`"]);
    write("both.npz", &[arrays[0], arrays[1], ("x", x.0, x.1), ("y", &[2], &y)]);
    sandbox.refuse(&train(&["--val", "both.npz"]), &["`x` and `x_train`"]);
    let whole = sandbox.read("v.npz");
    sandbox.write("cut.npz", &whole[..whole.len() / 2]);
    sandbox.refuse(&train(&["--val", "cut.npz"]), &["it may have been cut off", "--target"]);
}
