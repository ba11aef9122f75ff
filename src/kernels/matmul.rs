//! Lowers products of matrices: rows of the left matrix are the pixels of a contraction's tiles.
//!
//! Every element sums over `inner` in order, whatever the tile.

use super::axes::pieces;
use super::contract::ahead::Ahead;
use super::contract::cut::straight;
use super::contract::tile::{Lanes, TileSpec};
use super::ir::{LANES, VECTOR_BYTES};
use super::lower::{LowerError, Lowering, distance};
use super::step::{Call, CallArg, Nest};
use crate::plan::task::MatMul;
use crate::plan::tiles::{is_wide, most_pixels, split_row};
use crate::plan::{BufferId, LayoutKind, View};

#[cfg(test)]
mod tests;

/// Tiles of one unit, at most.
const TILES: u64 = 12;
/// Bytes that the rows of a tile may be apart together: what an instruction's distance holds.
const REACH: u64 = 1 << 30;

/// One unit makes some rows of a panel's columns, of one matrix.
pub(super) fn lower(
    task: &MatMul,
    out: BufferId,
    low: &mut Lowering<'_>,
) -> Result<Vec<Vec<Nest>>, LowerError> {
    let (x, out) = (low.view(task.x), low.view(out));
    let matrices: u64 = task.leads.iter().map(|lead| lead.count).product();
    let x_matrices = 1 + task.leads.iter().map(|lead| (lead.count - 1) * lead.x).sum::<u64>();
    let fits = out.kind == LayoutKind::Blocked
        && out.dims == [matrices * task.rows, task.columns, 1, 1]
        && x.kind == LayoutKind::Planar
        && x.dims.iter().product::<u64>() == x_matrices * task.rows * task.inner;
    if !fits || task.vectors == 0 {
        return Err(LowerError::Plan("a product of matrices of other sizes"));
    }
    let blocks = task.columns.div_ceil(LANES as u64);
    let vectors = u64::from(task.vectors);
    let (full, rest) = (blocks / vectors, blocks % vectors);
    let mut nests = Vec::new();
    for (first, panels, vectors) in [(0, full, vectors), (full * vectors, u64::from(rest > 0), rest)] {
        if panels > 0 {
            let job = Job { task, x, out, blocks, first, panels, vectors: vectors as u32 };
            job.nests(&mut nests, low)?;
        }
    }
    Ok(vec![nests])
}

/// Panels of one width.
struct Job<'a> {
    task: &'a MatMul,
    x: View,
    out: View,
    /// Blocks of columns.
    blocks: u64,
    /// The first of them here.
    first: u64,
    panels: u64,
    vectors: u32,
}

impl Job<'_> {
    fn nests(&self, nests: &mut Vec<Nest>, low: &mut Lowering<'_>) -> Result<(), LowerError> {
        let MatMul { rows, inner, .. } = *self.task;
        let most = u64::from(most_pixels(self.vectors, low.target()));
        let most = (REACH / (4 * inner)).clamp(1, most) as u32;
        let runs = split_row(rows, most);
        let ahead = self.ahead(runs.iter().map(|run| run.1).sum(), low);
        let (mut first_row, mut tiles_before) = (0, 0);
        for (pixels, tiles) in runs {
            for (first_tile, tiles, chunks) in pieces(tiles, TILES) {
                let row = first_row + first_tile * u64::from(pixels);
                let asks = ahead.map(|ahead| (ahead, tiles_before + first_tile));
                let call = self.call(row, pixels, tiles, asks, low)?;
                let leads = self.task.leads.iter().map(|lead| lead.count);
                let dims = leads.chain([self.panels, chunks]).collect();
                nests.push(Nest::new(dims, vec![call]));
            }
            first_row += tiles * u64::from(pixels);
            tiles_before += tiles;
        }
        Ok(())
    }

    /// Bytes of a block of columns in a panel, and of a matrix.
    fn weight_bytes(&self) -> [i64; 2] {
        let block = self.task.inner.next_multiple_of(LANES as u64) as i64 * VECTOR_BYTES;
        [block, self.blocks as i64 * block]
    }

    /// What is asked for of a panel while the one before is used by so many tiles.
    fn ahead(&self, tiles: u64, low: &Lowering<'_>) -> Option<Ahead> {
        let [block, matrix] = self.weight_bytes();
        let MatMul { leads, inner, .. } = self.task;
        let matrices = 1 + leads.iter().map(|l| (l.count - 1) as i64 * l.w as i64).sum::<i64>();
        let blocks = inner.div_ceil(LANES as u64);
        Ahead::of(i64::from(self.vectors) * block, blocks, tiles, matrices * matrix, low.target())
    }

    /// `tiles` tiles of `pixels` rows from `row` on, in every matrix, panel and chunk.
    /// `asks`: what is asked for of the next panel, from which tile on.
    fn call(
        &self,
        row: u64,
        pixels: u32,
        tiles: u64,
        asks: Option<(Ahead, u64)>,
        low: &mut Lowering<'_>,
    ) -> Result<Call, LowerError> {
        let Job { task, x, out, .. } = self;
        let row_bytes = 4 * task.inner as i64;
        let out_row = out.strides[0];
        distance(i64::from(pixels) * row_bytes)?;
        distance(i64::from(pixels) * out_row)?;
        let [block_weights, w_matrix] = self.weight_bytes();
        let spec = TileSpec {
            pixels: straight(pixels),
            vectors: self.vectors,
            wide: is_wide(self.vectors, low.target()),
            lanes: Lanes::Block { rest: (task.inner % LANES as u64) as u32 },
            rows: 1,
            dx: vec![0],
            column_bytes: row_bytes as i32,
            stride: 1,
            x_row: 0,
            out_row: 0,
            out_column: out_row as i32,
            ahead: asks.map_or(0, |(ahead, _)| ahead.lines()),
            bias: task.bias.is_some(),
            extras: Vec::new(),
            expr: None,
        };
        let chunk = tiles as i64 * i64::from(pixels);
        let panel = i64::from(self.vectors);
        let x_matrix = task.rows as i64 * row_bytes;
        let mut x_strides: Vec<i64> = task.leads.iter().map(|l| l.x as i64 * x_matrix).collect();
        x_strides.extend([0, chunk * row_bytes]);
        let mut w_strides: Vec<i64> = task.leads.iter().map(|l| l.w as i64 * w_matrix).collect();
        w_strides.extend([panel * block_weights, 0]);
        let mut out_strides = vec![task.rows as i64 * out_row; task.leads.len()];
        for i in (1..task.leads.len()).rev() {
            out_strides[i - 1] = out_strides[i] * task.leads[i].count as i64;
        }
        out_strides.extend([panel * out.strides[1], chunk * out_row]);
        let first = self.first as i64;
        let next = asks.map(|(ahead, tile)| {
            let mut strides = w_strides.clone();
            if let Some(chunk) = strides.last_mut() {
                *chunk = ahead.share(tiles);
            }
            low.view(task.w).arg((first + panel) * block_weights + ahead.share(tile), &strides)
        });
        let mut args = vec![
            x.arg(row as i64 * row_bytes, &x_strides),
            low.view(task.w).arg(first * block_weights, &w_strides),
            out.arg(first * out.strides[1] + row as i64 * out_row, &out_strides),
            CallArg::Int(tiles as i64),
            CallArg::Int((task.inner / LANES as u64) as i64),
            CallArg::Int(VECTOR_BYTES),
            CallArg::Int(0),
            CallArg::Int(out.strides[1]),
        ];
        args.extend(next);
        if let Some(bias) = task.bias {
            let view = low.view(bias);
            let mut strides = vec![0; task.leads.len()];
            strides.extend([panel * view.strides[1], 0]);
            args.push(view.arg(first * view.strides[1], &strides));
        }
        Ok(Call { kernel: low.kernel(spec.kernel()), args })
    }
}
