//! What the examples learn: each is run as its program runs it.

use std::path::Path;

#[path = "../../examples/learn_digits.rs"]
#[expect(dead_code, reason = "its `main` prints")]
mod learn_digits;
#[path = "../../examples/learn_edge_kernel.rs"]
#[expect(dead_code, reason = "its `main` prints")]
mod learn_edge_kernel;
#[path = "../../examples/learn_filter.rs"]
#[expect(dead_code, reason = "its `main` prints")]
mod learn_filter;
#[path = "../../examples/train_denoiser.rs"]
#[expect(dead_code, reason = "its `main` prints and writes")]
mod train_denoiser;

#[test]
fn the_edge_kernel_is_short_after_100_epochs_and_there_after_1000() {
    let kernels = learn_edge_kernel::learn(&[100, 1000]).expect("it learns");
    let [[a, b], there] = kernels.as_slice() else { panic!("{kernels:?}") };
    // What 0.971 to the power of 100 leaves of what lacked at the start.
    for lacks in [1.0 - a, 1.0 + b] {
        assert!((0.02..0.12).contains(&lacks), "{kernels:?}");
    }
    assert!((there[0] - 1.0).abs() < 1e-3 && (there[1] + 1.0).abs() < 1e-3, "{kernels:?}");
}

#[test]
fn lenet_reads_digits_after_twenty_epochs() {
    let mut seen = Vec::new();
    learn_digits::learn(20, |epoch, loss, accuracy| seen.push((epoch, loss, accuracy))).expect("it learns");
    assert_eq!(seen.len(), 20);
    assert!(seen[19].1 < 0.1 * seen[0].1, "{seen:?}");
    assert!(seen[19].2 >= 0.95, "{seen:?}");
}

#[test]
fn a_filter_is_learned_from_a_photo_and_what_it_made_of_it() {
    let learned = learn_filter::learn(1000).expect("it learns");
    for (found, truth) in learned.iter().zip(learn_filter::EMBOSS.iter().flatten()) {
        assert!((found - truth).abs() < 1e-3, "{learned:?}");
    }
}

#[test]
fn a_short_training_takes_most_of_the_noise_away() {
    let mut losses = Vec::new();
    train_denoiser::train(200, |_, loss| losses.push(loss)).expect("it learns");
    // Of noise alone it is the square of its deviation.
    let noise = f64::from(train_denoiser::SIGMA).powi(2);
    assert!(losses.last().is_some_and(|&loss| loss < 0.3 * noise), "{losses:?} with noise of {noise}");
}

#[test]
fn the_shipped_denoiser_gains_8_db_on_what_it_has_not_seen() {
    let clean = train_denoiser::unseen().expect("the photo is there");
    let [noisy, denoised] = train_denoiser::before_and_after(Path::new("examples/denoise.safetensors"))
        .expect("the weights are there");
    let [before, after] = [noisy, denoised].map(|picture| train_denoiser::psnr(&clean, &picture));
    assert!((before - 20.0).abs() < 0.1, "a deviation of 0.1 is 20 dB, not {before}");
    assert!(after >= before + 8.0, "{before} dB before, {after} dB after");
}
