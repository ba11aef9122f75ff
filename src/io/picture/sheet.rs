//! Contact sheets: the channels of a tensor as grey pictures in a grid.

use super::encode::{byte, range, unit};

/// Pixels between two maps.
const GAP: usize = 1;
/// The grey of the gaps and of unused cells.
const GAP_GREY: u8 = 96;

/// Where maps lie. Invariant: `columns · rows ≥ maps`, and no row is empty.
#[derive(Debug)]
pub(super) struct Grid {
    maps: usize,
    map_height: usize,
    map_width: usize,
    pub(super) columns: usize,
    pub(super) rows: usize,
}

impl Grid {
    /// A grid about as wide as it is high.
    pub(super) fn new(maps: usize, map_height: usize, map_width: usize) -> Grid {
        let aspect = map_height.max(1) as f64 / map_width.max(1) as f64;
        let columns = ((maps as f64 * aspect).sqrt().round() as usize).clamp(1, maps.max(1));
        Grid { maps, map_height, map_width, columns, rows: maps.div_ceil(columns) }
    }

    /// Pixels from top to bottom; saturates, to be refused by the caller.
    pub(super) fn height(&self) -> usize {
        self.map_height.saturating_add(GAP).saturating_mul(self.rows).saturating_sub(GAP)
    }

    /// Pixels from left to right.
    pub(super) fn width(&self) -> usize {
        self.map_width.saturating_add(GAP).saturating_mul(self.columns).saturating_sub(GAP)
    }

    /// The sheet as grey bytes. The caller has checked the size.
    pub(super) fn draw(&self, data: &[f32]) -> Vec<u8> {
        let width = self.width();
        let mut sheet = vec![GAP_GREY; width * self.height()];
        for (i, map) in data.chunks_exact(self.map_height * self.map_width).take(self.maps).enumerate() {
            let (low, high) = range(map);
            let top = i / self.columns * (self.map_height + GAP);
            let left = i % self.columns * (self.map_width + GAP);
            for (y, row) in map.chunks_exact(self.map_width).enumerate() {
                let start = (top + y) * width + left;
                for (to, &v) in sheet.iter_mut().skip(start).zip(row) {
                    *to = byte(unit(v, low, high));
                }
            }
        }
        sheet
    }
}
