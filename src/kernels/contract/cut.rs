//! A plane of output cut into units, and these into tiles.

use crate::kernels::axes::pieces;
use crate::plan::tiles::split_row;

/// Pixels of a unit of a plane that is one long row, at least where there are so many: as many as a row of a
/// common picture.
const LONG: u64 = 56;

/// Equal tiles along a row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Run {
    /// Row and column of the first pixel, from the first of the unit.
    pub(super) start: [u64; 2],
    /// Row and column of each pixel, from the first of the tile.
    pub(super) pixels: Vec<[i32; 2]>,
    /// How many tiles, each as many columns after the one before as it has pixels.
    pub(super) tiles: u64,
}

/// Equal units.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Units {
    /// Row and column of the first pixel.
    pub(super) start: [u64; 2],
    /// Rows and columns from one to the next.
    pub(super) step: [u64; 2],
    /// How many.
    pub(super) count: u64,
    /// What they do.
    pub(super) runs: Vec<Run>,
}

/// Cuts rows, so many `together`, into tiles of at most `most` pixels.
pub(super) fn rows(rows: u64, columns: u64, most: u32, together: u64) -> Vec<Units> {
    let mut all = Vec::new();
    for (start, size, count) in pieces(rows, together) {
        let runs = runs(size, columns, most);
        all.push(Units { start: [start, 0], step: [size, 0], count, runs });
    }
    all
}

/// Cuts one long row into units of about [`LONG`] pixels.
pub(super) fn long_row(columns: u64, most: u32) -> Vec<Units> {
    let mut all = Vec::new();
    let mut start = 0;
    for (pixels, tiles) in split_row(columns, most) {
        let width = u64::from(pixels);
        for (first, tiles, count) in pieces(tiles, LONG.div_ceil(width)) {
            let run = Run { start: [0; 2], pixels: straight(pixels), tiles };
            let step = [0, tiles * width];
            all.push(Units { start: [0, start + first * width], step, count, runs: vec![run] });
        }
        start += tiles * width;
    }
    all
}

/// Pixels beside each other.
pub(in crate::kernels) fn straight(pixels: u32) -> Vec<[i32; 2]> {
    (0..pixels as i32).map(|column| [0, column]).collect()
}

/// Tiles of some rows.
fn runs(rows: u64, columns: u64, most: u32) -> Vec<Run> {
    let mut all: Vec<Run> = Vec::new();
    let mut first = 0;
    for (width, tiles) in split_row(rows * columns, most) {
        if rows == 1 {
            all.push(Run { start: [0, first], pixels: straight(width), tiles });
            first += u64::from(width) * tiles;
            continue;
        }
        for _ in 0..tiles {
            let start = [first / columns, first % columns];
            let place = |pixel: u64| {
                let (row, column) = (pixel / columns - start[0], pixel % columns);
                [row as i32, column as i32 - start[1] as i32]
            };
            let pixels = (first..first + u64::from(width)).map(place).collect();
            all.push(Run { start, pixels, tiles: 1 });
            first += u64::from(width);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// The pixels of all units, in order.
    fn pixels(units: &[Units]) -> Vec<[i64; 2]> {
        let mut all = Vec::new();
        for units in units {
            for unit in 0..units.count {
                for run in &units.runs {
                    let at =
                        |axis: usize| (units.start[axis] + unit * units.step[axis] + run.start[axis]) as i64;
                    for tile in 0..run.tiles as i64 {
                        let first = [at(0), at(1) + tile * run.pixels.len() as i64];
                        all.extend(
                            run.pixels
                                .iter()
                                .map(|p| [first[0] + i64::from(p[0]), first[1] + i64::from(p[1])]),
                        );
                    }
                }
            }
        }
        all
    }

    #[test]
    fn every_pixel_is_in_one_tile() {
        for (height, width) in (1..12).flat_map(|h| (1..40).map(move |w| (h, w))) {
            for (most, together) in [(12, 1), (6, 2), (4, 3), (14, 2), (28, 4), (1, 3)] {
                for units in [rows(height, width, most, together), long_row(height * width, most)] {
                    let long = units[0].step[0] == 0 && height > 1;
                    let width = if long { height * width } else { width };
                    let found = pixels(&units);
                    assert!(units.iter().flat_map(|u| &u.runs).all(|run| run.pixels.len() <= most as usize));
                    assert!(found.iter().all(|p| p[0] >= 0 && (0..width as i64).contains(&p[1])));
                    let distinct: HashSet<[i64; 2]> = found.iter().copied().collect();
                    let all = if long { width } else { height * width };
                    assert_eq!((found.len() as u64, distinct.len() as u64), (all, all));
                }
            }
        }
    }

    #[test]
    fn rows_that_are_cut_together_share_tiles() {
        let sizes = |units: &[Units]| -> Vec<(u64, Vec<usize>)> {
            let tiles = |u: &Units| u.runs.iter().map(|run| run.pixels.len()).collect();
            units.iter().map(|u| (u.count, tiles(u))).collect()
        };
        assert_eq!(sizes(&rows(56, 56, 6, 1)), [(56, vec![6, 5])]);
        assert_eq!(sizes(&rows(7, 7, 6, 4)), [(1, vec![6, 6, 6, 5, 5]), (1, vec![6, 5, 5, 5])]);
        assert_eq!(rows(7, 7, 6, 4)[0].runs[1].pixels, [[0, 0], [1, -6], [1, -5], [1, -4], [1, -3], [1, -2]]);
        assert_eq!(sizes(&long_row(196, 6)), [(3, vec![6]), (1, vec![6]), (1, vec![5])]);
    }
}
