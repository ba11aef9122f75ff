//! A row cut into registers: whole ones in the middle, and those at its ends whose taps reach beyond it.

use std::ops::Range;

/// What is there of the row that a register's taps read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cut {
    /// All.
    Whole,
    /// So many columns before the register's first one, and so many from it on.
    Ends { before: i64, after: i64 },
}

/// How a register is loaded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Access {
    Whole,
    /// The first columns.
    First(i64),
    /// The last columns.
    Last(i64),
    Nothing,
}

impl Cut {
    /// Of a register of so many columns from `at` on, of which some are needed.
    pub(super) fn access(self, at: i64, needed: Range<i64>, columns: i64) -> Access {
        let (there, end) = match self {
            Cut::Whole => (needed.clone(), at + columns),
            Cut::Ends { before, after } => (-before..after, at + columns),
        };
        let (from, to) = (needed.start.max(there.start), needed.end.min(there.end));
        // What is needed ends with the register, or begins with it; a row ends on one side of a register at most.
        if from >= to {
            Access::Nothing
        } else if from == at && to == end {
            Access::Whole
        } else if to == end {
            Access::Last(end - from)
        } else if there.start <= at {
            Access::First(to - at)
        } else {
            Access::Last(end - from)
        }
    }
}

/// A row, from left to right.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Columns {
    /// Columns of a register.
    pub(super) lanes: usize,
    /// The first register, where its taps reach beyond the row's start.
    pub(super) left: Option<Cut>,
    /// How many registers are whole.
    pub(super) middle: u64,
    /// The registers after them: columns from the end of the middle, and what is there. The last one ends with the
    /// row, and may overlap the one before it.
    pub(super) right: Vec<(i64, Cut)>,
}

impl Columns {
    /// Columns before the registers on the right.
    pub(super) fn moved(&self) -> u64 {
        self.lanes as u64 * (self.middle + u64::from(self.left.is_some()))
    }
}

/// Cuts a row of `width` columns, that reads one of `source` columns, into registers `of` so many columns.
pub(super) fn columns(taps: &[(i32, i32)], [source, width]: [u64; 2], framed: bool, of: usize) -> Columns {
    let (source, width, lanes) = (source as i64, width as i64, of as i64);
    let reach = || taps.iter().map(|tap| i64::from(tap.1));
    let (first, last) = (reach().min().unwrap_or(0), reach().max().unwrap_or(0));
    // Further ends are the same to every tap, so kernels need not know of them.
    let cut = |at: i64| Cut::Ends { before: at.min(lanes), after: (source - at).min(2 * lanes) };
    let left = (!framed && first < 0).then(|| cut(0));
    let start = if left.is_some() { lanes } else { 0 };
    let end = if framed { width } else { width.min(source - last.max(0)) };
    let middle = ((end - start) / lanes).max(0);
    let mut right = Vec::new();
    let from = start + lanes * middle;
    let mut at = from;
    while at < width {
        let place = at.min(width - lanes);
        right.push((place - from, if framed { Cut::Whole } else { cut(place) }));
        at += lanes;
    }
    Columns { lanes: of, left, middle: middle as u64, right }
}
