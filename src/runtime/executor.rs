//! Who runs the parts of a step.

/// The default of [`Executor::grain`]: about a microsecond, what it takes to hand a part to a thread that is awake.
pub(super) const GRAIN: u64 = 2048;

/// Runs the parts of a step, on one thread or several.
///
/// How many parts there are, and what is in them, is not the executor's affair, and the result does not depend
/// on it. Nor can an executor do harm: a part that is run again does nothing, and parts that were left out
/// are run on the calling thread.
///
/// A pool of one's own is lent to [`Program::run_on`](crate::Program::run_on) by a few lines; here threads are
/// started for each step:
///
/// ```
/// use convc::runtime::Executor;
/// use convc::{Model, Options, Tensor};
///
/// struct Scoped(usize);
///
/// impl Executor for Scoped {
///     fn threads(&self) -> usize {
///         self.0
///     }
///
///     /// Starting a thread takes longer than to wake one.
///     fn grain(&self) -> u64 {
///         1 << 18
///     }
///
///     fn run(&self, parts: usize, part: &(dyn Fn(usize) + Sync)) {
///         std::thread::scope(|scope| {
///             for number in 1..parts {
///                 scope.spawn(move || part(number));
///             }
///             part(0);
///         });
///     }
/// }
///
/// # fn main() -> Result<(), convc::Error> {
/// let text = "model blur {\n  input x [3, 64, 64]\n  filter(gaussian(5), pad=same)\n}\n";
/// let program = Model::from_str("blur.conv", text)?.compile(&Options::default().threads(1))?;
/// let x = Tensor::zeros(&[3, 64, 64])?;
/// assert_eq!(program.run_on(&Scoped(4), &[x.view()])?, program.run(&[x.view()])?);
/// # Ok(())
/// # }
/// ```
///
/// With rayon `run` is `(0..parts).into_par_iter().for_each(part)`.
pub trait Executor {
    /// How many parts run at the same time; a step has no more.
    fn threads(&self) -> usize;

    /// The least work that is worth a part of its own, in vector operations (about half a nanosecond each).
    fn grain(&self) -> u64 {
        GRAIN
    }

    /// Calls `part(i)` for every `i < parts`, at the same time where it can, and returns when all have returned.
    fn run(&self, parts: usize, part: &(dyn Fn(usize) + Sync));
}

/// Runs everything on the calling thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sequential;

impl Executor for Sequential {
    fn threads(&self) -> usize {
        1
    }

    fn run(&self, parts: usize, part: &(dyn Fn(usize) + Sync)) {
        (0..parts).for_each(part);
    }
}
