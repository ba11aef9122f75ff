//! Embeds the compiler: edges of a picture made here, for two sizes, with no allocation while it runs.
//!
//! `cargo run --release --example embed`

use convc::{Model, Options, Tensor, TensorView};

/// A disc, 1 inside and 0 outside.
fn disc(h: usize, w: usize) -> Result<Tensor, convc::Error> {
    let inside = |y: usize, x: usize| {
        let (dy, dx) = (y as f32 - h as f32 / 2.0, x as f32 - w as f32 / 2.0);
        f32::from(dy * dy + dx * dx < (h * h) as f32 / 9.0)
    };
    let data = (0..h * w).map(|i| inside(i / w, i % w)).collect();
    Ok(Tensor::new(&[1, h, w], data)?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let model = Model::from_path(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/edges.conv"))?;
    for (h, w) in [(24, 48), (120, 200)] {
        let program = model.compile(&Options::default().input([1, h, w]))?;
        let picture = disc(h, w)?;
        let mut scratch = program.scratch()?;
        let mut edges = vec![0.0; h * w];
        // The same scratch and output serve every run.
        program.run_into(&mut scratch, &[picture.view()], &mut [&mut edges])?;
        println!("{h}×{w}: compiled in {:.1} ms", program.stats().compile().as_secs_f64() * 1e3);
        if h < 50 {
            show(&TensorView::new(&[h, w], &edges)?);
        }
    }

    // What is wrong with a text comes as data, and renders itself.
    let wrong = "model m {\n  input x [1, 4, 4]\n  c = conv(kernel=5, out=8)\n}\n";
    let error = Model::from_str("wrong.conv", wrong)?.compile(&Options::default());
    if let Err(error) = error {
        println!("{error}");
    }
    Ok(())
}

/// Prints a plane as characters.
fn show(plane: &TensorView<'_>) {
    let &[_, w] = plane.shape() else { return };
    for row in plane.data().chunks(w) {
        let line: String = row
            .iter()
            .map(|&x| {
                if x > 1.0 {
                    '#'
                } else if x > 0.2 {
                    '+'
                } else {
                    '.'
                }
            })
            .collect();
        println!("{line}");
    }
}
