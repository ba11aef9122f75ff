//! What values are stored as.

/// A type of numbers that values are rounded to when they are stored; sums are f64 for each.
pub(super) trait Number: Copy + PartialOrd + Into<f64> {
    /// Rounded to nearest.
    fn round(v: f64) -> Self;
    /// One of the graph's own numbers.
    fn of(v: f32) -> Self;
}

impl Number for f32 {
    fn round(v: f64) -> f32 {
        v as f32
    }

    fn of(v: f32) -> f32 {
        v
    }
}

impl Number for f64 {
    fn round(v: f64) -> f64 {
        v
    }

    fn of(v: f32) -> f64 {
        f64::from(v)
    }
}

/// As f64, which holds it exactly.
pub(super) fn wide<T: Number>(v: T) -> f64 {
    v.into()
}

/// A value of one sample.
#[derive(Clone, Copy)]
pub(super) struct View<'a, T> {
    shape: &'a [usize],
    data: &'a [T],
}

impl<'a, T> View<'a, T> {
    /// `data` has as many elements as `shape` says.
    pub(super) fn new(shape: &'a [usize], data: &'a [T]) -> Self {
        View { shape, data }
    }

    pub(super) fn shape(&self) -> &'a [usize] {
        self.shape
    }

    pub(super) fn data(&self) -> &'a [T] {
        self.data
    }
}
