//! The numbers that a textbook gives, through the compiled path.

use convc::{Model, Options, Tensor};

use crate::fenced;

/// The outputs of an example on given inputs.
fn run(example: &str, inputs: &[Tensor]) -> Vec<Tensor> {
    let model = Model::from_path(format!("examples/textbook/{example}.conv")).expect("the example parses");
    let views: Vec<_> = inputs.iter().map(Tensor::view).collect();
    fenced::run_model(&model, &Options::default(), &views).1
}

fn count(shape: &[usize], from: &[f32]) -> Tensor {
    Tensor::new(shape, from.to_vec()).expect("the lengths agree")
}

#[test]
fn cross_correlation() {
    let x: Vec<f32> = (0..9).map(|i| i as f32).collect();
    let y = run("cross_correlation", &[count(&[1, 3, 3], &x)]);
    assert_eq!(y[0].data(), [19.0, 25.0, 37.0, 43.0]);
}

#[test]
fn input_channels_are_summed_and_output_channels_have_their_own_kernels() {
    let x: Vec<f32> = (0..9).chain(1..10).map(|i| i as f32).collect();
    let y = run("channels", &[count(&[2, 3, 3], &x)]);
    assert_eq!(y[0].shape(), [3, 2, 2]);
    let expected = [56., 72., 104., 120., 76., 100., 148., 172., 96., 128., 192., 224.];
    assert_eq!(y[0].data(), expected);
}

#[test]
fn padding_and_stride_change_the_shape() {
    let x = Tensor::zeros(&[1, 8, 8]).expect("small");
    let y = run("padding_stride", &[x]);
    let shapes: Vec<&[usize]> = y.iter().map(Tensor::shape).collect();
    assert_eq!(shapes, [&[1, 8, 8], &[1, 8, 8], &[1, 6, 6], &[1, 2, 3]]);
}

#[test]
fn one_by_one_is_a_linear_layer_over_channels() {
    let x: Vec<f32> = (0..27).map(|i| (i * i % 31) as f32).collect();
    let y = run("one_by_one", &[count(&[3, 3, 3], &x)]);
    let expected = (0..9)
        .map(|p| 0.5 * x[p] + 0.25 * x[9 + p] + 0.25 * x[18 + p])
        .chain((0..9).map(|p| x[p] - x[9 + p]));
    assert_eq!(y[0].data(), expected.collect::<Vec<f32>>());
}

#[test]
fn a_true_convolution_flips_the_kernel() {
    let mut x = vec![0.0; 25];
    x[12] = 1.0;
    let y = run("true_convolution", &[count(&[1, 5, 5], &x)]);
    let middle =
        |t: &Tensor| -> Vec<f32> { (1..4).flat_map(|r| t.data()[5 * r + 1..5 * r + 4].to_vec()).collect() };
    assert_eq!(middle(&y[0]), [9., 8., 7., 6., 5., 4., 3., 2., 1.]);
    assert_eq!(middle(&y[1]), [1., 2., 3., 4., 5., 6., 7., 8., 9.]);
}
