//! What the files hold → what the model's inputs want.
//!
//! Pictures are converted (channels, size where `--fit` says how); arrays are taken exactly as they
//! are. Axes that the model leaves open are bound by the first input that has them.

use crate::cli::failure::Failure;
use crate::cli::report::shape;
use crate::io::picture::{self, Fit, Picture};
use crate::tensor::Tensor;

/// An input as the model declares it.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Declared {
    pub(in crate::cli) name: String,
    /// Whether a free batch axis stands before `axes`.
    pub(in crate::cli) batched: bool,
    pub(in crate::cli) axes: Vec<Axis>,
    /// The file read where none is given, as written in the text.
    pub(in crate::cli) file: Option<String>,
}

/// One axis of a declared input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Axis {
    Fixed(u64),
    Open {
        symbol: String,
        default: Option<u64>,
    },
    /// Arithmetic over open sizes: known once they are.
    Derived,
}

impl std::fmt::Display for Axis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Axis::Fixed(n) => write!(f, "{n}"),
            Axis::Derived => f.write_str("_"),
            Axis::Open { symbol, default: None } => f.write_str(symbol),
            Axis::Open { symbol, default: Some(n) } => write!(f, "{symbol}={n}"),
        }
    }
}

/// What a file held.
#[derive(Debug)]
pub(in crate::cli) enum Content {
    Picture(Picture),
    Array(Tensor),
}

/// The sizes bound so far, each with what bound it.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Bound(Vec<(String, u64, String)>);

impl Bound {
    /// Starts with what the command line gives.
    pub(in crate::cli) fn new(sizes: &[(String, u64)]) -> Bound {
        Bound(sizes.iter().map(|(name, n)| (name.clone(), *n, "--size".to_owned())).collect())
    }

    /// The sizes with their names.
    pub(in crate::cli) fn sizes(&self) -> Vec<(String, u64)> {
        self.0.iter().map(|(name, n, _)| (name.clone(), *n)).collect()
    }

    /// The size that an axis must have, where it is known.
    fn known(&self, axis: &Axis) -> Option<u64> {
        match axis {
            Axis::Fixed(n) => Some(*n),
            Axis::Derived => None,
            Axis::Open { symbol, .. } => self.0.iter().find(|(s, ..)| s == symbol).map(|(_, n, _)| *n),
        }
    }

    /// Binds an axis to a size; false if it already is another.
    fn bind(&mut self, axis: &Axis, size: u64, by: &str) -> bool {
        match (self.known(axis), axis) {
            (Some(n), _) => n == size,
            (None, Axis::Open { symbol, .. }) => {
                self.0.push((symbol.clone(), size, by.to_owned()));
                true
            }
            // What it must be is checked with the model, once all sizes are bound.
            (None, Axis::Derived) => true,
            (None, Axis::Fixed(_)) => false,
        }
    }

    /// Where the sizes of `axes` come from, for a message: "H = 480 (photo.png)".
    fn origins(&self, axes: &[Axis]) -> Option<String> {
        let named = self.0.iter().filter(|(symbol, ..)| {
            axes.iter().any(|a| matches!(a, Axis::Open { symbol: s, .. } if s == symbol))
        });
        let parts: Vec<String> = named.map(|(s, n, by)| format!("{s} = {n} (from {by})")).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

/// How pictures may be converted.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Conversion {
    pub(in crate::cli) fit: Option<Fit>,
    pub(in crate::cli) memory: u64,
}

/// An input ready to run.
#[derive(Debug)]
pub(in crate::cli) struct Ready {
    /// `[N, …]` where the input is batched, else exactly the declared axes.
    pub(in crate::cli) tensor: Tensor,
    /// What was done to it that could surprise.
    pub(in crate::cli) notes: Vec<String>,
}

/// Makes an input of what a file, called `from` in messages, held.
pub(super) fn bind(
    declared: &Declared,
    content: Content,
    from: &str,
    bound: &mut Bound,
    conversion: Conversion,
) -> Result<Ready, Failure> {
    let result = match content {
        Content::Picture(picture) => bind_picture(declared, picture, from, bound, conversion),
        Content::Array(tensor) => bind_array(declared, tensor, from, bound),
    };
    result.map_err(|f| f.about(from))
}

fn bind_picture(
    declared: &Declared,
    picture: Picture,
    from: &str,
    bound: &mut Bound,
    conversion: Conversion,
) -> Result<Ready, Failure> {
    let one = Axis::Fixed(1);
    let [channels, height, width] = match declared.axes.as_slice() {
        [c, h, w] => [c, h, w],
        [h, w] => [&one, h, w],
        _ => {
            return Err(Failure::data(format!(
                "input `{}` is {}, which no picture fills",
                declared.name,
                shape(&declared.axes)
            ))
            .help("give an array: .npy or .npz"));
        }
    };
    let &[has_c, has_h, has_w] = picture.tensor.shape() else {
        return Err(Failure::Bug("a decoded picture has not three axes".to_owned()));
    };
    let want_c = bound.known(channels).unwrap_or(has_c as u64);
    let picture = picture::with_channels(picture, want_c).map_err(|e| {
        Failure::data(format!("{e}, which input `{}` {} wants", declared.name, shape(&declared.axes)))
            .help("give an array: .npy or .npz")
    })?;
    let has = [has_h as u64, has_w as u64];
    let want = [bound.known(height).unwrap_or(has[0]), bound.known(width).unwrap_or(has[1])];
    let picture = match conversion.fit {
        Some(how) => {
            picture::fit(picture, want, how, conversion.memory).map_err(|e| Failure::data(e.to_string()))?
        }
        None if want == has => picture,
        None => {
            let failure = Failure::data(format!(
                "the picture is {}×{} (width × height), input `{}` {} needs {}×{}",
                has[1],
                has[0],
                declared.name,
                shape(&declared.axes),
                want[1],
                want[0]
            ))
            .help("--fit stretch, --fit crop or --fit pad resizes it");
            return Err(match bound.origins(&declared.axes) {
                Some(origins) => failure.note(origins),
                None => failure,
            });
        }
    };
    let Picture { tensor, notes } = picture;
    for (axis, size) in [(channels, want_c), (height, want[0]), (width, want[1])] {
        bound.bind(axis, size, from);
    }
    let mut dims: Vec<usize> = tensor.shape().to_vec();
    if declared.axes.len() == 2 {
        dims.remove(0);
    }
    if declared.batched {
        dims.insert(0, 1);
    }
    Ok(Ready { tensor: reshaped(tensor, &dims)?, notes })
}

fn bind_array(declared: &Declared, tensor: Tensor, from: &str, bound: &mut Bound) -> Result<Ready, Failure> {
    let has = tensor.shape().to_vec();
    let rank = declared.axes.len();
    let mut notes = Vec::new();
    // Where the array's axes stand among [N, axes…].
    let sample: &[usize] = match has.len() {
        n if n == rank => &has,
        n if n == rank + 1 && declared.batched => &has[1..],
        n if n + 1 == rank && bound.known(&declared.axes[0]) == Some(1) => &has,
        _ => return Err(mismatch(declared, &has, bound)),
    };
    if tensor.data().is_empty() {
        return Err(Failure::data(format!("the array has the shape {}, which is empty", shape(&has))));
    }
    let axes = &declared.axes[rank - sample.len()..];
    let mut trial = bound.clone();
    let fits = axes.iter().zip(sample).all(|(axis, &n)| trial.bind(axis, n as u64, from));
    if !fits {
        return Err(mismatch(declared, &has, bound));
    }
    *bound = trial;
    let mut dims = sample.to_vec();
    if dims.len() < rank {
        dims.insert(0, 1);
    }
    if declared.batched {
        let batch = if has.len() > rank { has[0] } else { 1 };
        if batch > 1 {
            notes.push(format!("a batch of {batch}"));
        }
        dims.insert(0, batch);
    }
    Ok(Ready { tensor: reshaped(tensor, &dims)?, notes })
}

fn mismatch(declared: &Declared, has: &[usize], bound: &Bound) -> Failure {
    let wanted = shape(&declared.axes);
    let mut failure = Failure::data(format!(
        "the array has the shape {}, input `{}` is {wanted}",
        shape(has),
        declared.name
    ));
    if declared.batched {
        failure =
            failure.note(format!("{wanted} is one sample, [N, {} a batch", wanted.trim_start_matches('[')));
    }
    match bound.origins(&declared.axes) {
        Some(origins) => failure.note(origins),
        None => failure,
    }
}

fn reshaped(tensor: Tensor, dims: &[usize]) -> Result<Tensor, Failure> {
    tensor.reshape(dims).map_err(|e| Failure::Bug(e.to_string()))
}

/// The side that an open axis gets where nothing gives it one.
pub(super) const UNGIVEN_SIDE: u64 = 256;

/// Binds the axes that nothing has bound: to their defaults, or to [`UNGIVEN_SIDE`], which is said.
pub(in crate::cli) fn bind_defaults(declared: &Declared, bound: &mut Bound, notes: &mut Vec<String>) {
    for axis in &declared.axes {
        let Axis::Open { symbol, default } = axis else { continue };
        if bound.known(axis).is_some() {
            continue;
        }
        if default.is_none() {
            notes.push(format!(
                "{symbol} is left open by the model: {UNGIVEN_SIDE} taken; --size {symbol}=… sets it"
            ));
        }
        bound.bind(axis, default.unwrap_or(UNGIVEN_SIDE), "its default");
    }
}

/// A sample of numbers in 0..1 that depends on the seed and the input's name alone.
pub(super) fn random(declared: &Declared, dims: &[u64], seed: u64, memory: u64) -> Result<Ready, Failure> {
    let bytes = dims.iter().try_fold(4u64, |n, &d| n.checked_mul(d)).filter(|&n| n <= memory);
    if bytes.is_none() {
        return Err(Failure::data(format!(
            "input `{}` of shape {} is past the memory limit of {memory} bytes",
            declared.name,
            shape(dims)
        ))
        .help("--memory raises the limit"));
    };
    let note =
        format!("no input is given: `{}` {} holds random numbers of seed {seed}", declared.name, shape(dims));
    let mut state =
        declared.name.bytes().fold(seed, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    let mut shape: Vec<usize> = dims.iter().map(|&d| d as usize).collect();
    if declared.batched {
        shape.insert(0, 1);
    }
    let mut tensor = Tensor::zeros(&shape).map_err(|e| Failure::Bug(e.to_string()))?;
    tensor.data_mut().iter_mut().for_each(|value| *value = unit(splitmix(&mut state)));
    Ok(Ready { tensor, notes: vec![note] })
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The upper 24 bits as a number in 0..1.
fn unit(bits: u64) -> f32 {
    (bits >> 40) as f32 / (1u32 << 24) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXACT: Conversion = Conversion { fit: None, memory: 1 << 20 };

    fn open(symbol: &str) -> Axis {
        Axis::Open { symbol: symbol.to_owned(), default: None }
    }

    fn declared(axes: Vec<Axis>) -> Declared {
        Declared { name: "x".to_owned(), batched: true, axes, file: None }
    }

    fn photo(channels: usize, height: usize, width: usize) -> Content {
        let tensor = Tensor::zeros(&[channels, height, width]).expect("there is memory");
        Content::Picture(Picture { tensor, notes: vec![] })
    }

    fn array(shape: &[usize]) -> Content {
        Content::Array(Tensor::zeros(shape).expect("there is memory"))
    }

    /// The shape that results, or the error's text.
    fn shape_of(
        axes: Vec<Axis>,
        content: Content,
        bound: &mut Bound,
        conversion: Conversion,
    ) -> Result<Vec<usize>, String> {
        bind(&declared(axes), content, "f", bound, conversion)
            .map(|r| r.tensor.shape().to_vec())
            .map_err(|f| f.summary())
    }

    #[test]
    fn a_picture_binds_open_axes_and_follows_the_channels() {
        let mut bound = Bound::default();
        let axes = || vec![Axis::Fixed(1), open("H"), open("W")];
        assert_eq!(shape_of(axes(), photo(3, 4, 6), &mut bound, EXACT), Ok(vec![1, 1, 4, 6]));
        assert_eq!(bound.sizes(), [("H".to_owned(), 4), ("W".to_owned(), 6)]);
        let error = shape_of(axes(), photo(3, 4, 7), &mut bound, EXACT).unwrap_err();
        assert!(error.contains("7×4") && error.contains("6×4"), "{error}");
        let fitted = Conversion { fit: Some(Fit::Crop), ..EXACT };
        assert_eq!(shape_of(axes(), photo(3, 4, 7), &mut bound, fitted), Ok(vec![1, 1, 4, 6]));
        let four = vec![Axis::Fixed(4), open("A"), open("B")];
        assert!(shape_of(four, photo(3, 4, 7), &mut bound, EXACT).is_err());
    }

    #[test]
    fn a_picture_of_another_size_is_refused_unless_fitted() {
        let axes = || vec![Axis::Fixed(3), Axis::Fixed(2), Axis::Fixed(2)];
        assert!(shape_of(axes(), photo(1, 4, 6), &mut Bound::default(), EXACT).is_err());
        for how in [Fit::Stretch, Fit::Crop, Fit::Pad] {
            let conversion = Conversion { fit: Some(how), ..EXACT };
            assert_eq!(
                shape_of(axes(), photo(1, 4, 6), &mut Bound::default(), conversion),
                Ok(vec![1, 3, 2, 2])
            );
        }
    }

    #[test]
    fn arrays_are_one_sample_a_batch_or_a_plane() {
        let axes = || vec![Axis::Fixed(1), open("H"), open("W")];
        let mut fresh = Bound::default();
        assert_eq!(shape_of(axes(), array(&[1, 5, 6]), &mut fresh, EXACT), Ok(vec![1, 1, 5, 6]));
        assert_eq!(shape_of(axes(), array(&[7, 1, 5, 6]), &mut fresh, EXACT), Ok(vec![7, 1, 5, 6]));
        assert_eq!(shape_of(axes(), array(&[5, 6]), &mut fresh, EXACT), Ok(vec![1, 1, 5, 6]));
        for bad in [&[2, 5, 6][..], &[1, 5, 7], &[5], &[0, 1, 5, 6], &[1, 1, 1, 5, 6]] {
            assert!(shape_of(axes(), array(bad), &mut fresh, EXACT).is_err(), "{bad:?}");
        }
        // One symbol, two sizes.
        let square = vec![Axis::Fixed(1), open("S"), open("S")];
        assert!(shape_of(square, array(&[5, 6]), &mut Bound::default(), EXACT).is_err());
    }

    #[test]
    fn a_failed_input_binds_nothing() {
        let mut bound = Bound::default();
        let axes = vec![open("C"), open("H"), Axis::Fixed(3)];
        assert!(shape_of(axes, array(&[1, 5, 6]), &mut bound, EXACT).is_err());
        assert!(bound.sizes().is_empty());
    }

    #[test]
    fn random_inputs_depend_on_seed_and_name() {
        let axes =
            || vec![Axis::Fixed(3), open("H"), Axis::Open { symbol: "W".to_owned(), default: Some(5) }];
        let mut notes = Vec::new();
        let mut bound = Bound::default();
        bind_defaults(&declared(axes()), &mut bound, &mut notes);
        assert_eq!(bound.sizes(), [("H".to_owned(), 256), ("W".to_owned(), 5)]);
        assert_eq!(notes.len(), 1);
        let one = |seed: u64, name: &str| {
            let declared = Declared { name: name.to_owned(), ..declared(axes()) };
            random(&declared, &[3, 256, 5], seed, 1 << 20).expect("it is within the limit")
        };
        let a = one(1, "x");
        assert_eq!(a.tensor.shape(), [1, 3, 256, 5]);
        assert_eq!(a.tensor.data(), one(1, "x").tensor.data());
        assert_ne!(a.tensor.data(), one(2, "x").tensor.data());
        assert_ne!(a.tensor.data(), one(1, "y").tensor.data());
        let mean = a.tensor.data().iter().sum::<f32>() / 3840.0;
        assert!((mean - 0.5).abs() < 0.02, "{mean}");
        assert!(random(&declared(axes()), &[1 << 40, 1 << 40], 0, 1 << 20).is_err());
    }
}
