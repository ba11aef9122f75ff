//! The kernel that transforms inputs: `tiles` tiles along a row, of one block of channels.
//!
//! | argument | what                                                    |
//! |----------|---------------------------------------------------------|
//! | x        | the first tile's first input                            |
//! | v        | the first tile at the first position                    |
//! | tiles    | how many tiles                                          |

use super::transform::Transform;
use crate::kernels::build::KernelBuilder;
use crate::kernels::ir::{Count, Kernel, LANES, Spills, VECTOR_BYTES};
use crate::plan::task::WinogradTile;

/// The kernel for a tile's rows and columns of x that are so many bytes apart, and positions `pitch` bytes apart.
pub(super) fn kernel(tile: WinogradTile, [row, column]: [i32; 2], pitch: i32) -> Kernel {
    let mut k = KernelBuilder::new(format!("winograd{}_scatter", tile.outputs()));
    let (x, v, tiles) = (k.ptr_arg(), k.ptr_arg(), k.int_arg());
    let inputs = tile.inputs() as usize;
    let transform = Transform::input(&mut k, tile);
    k.repeat(Count::Int(tiles), |k| {
        let mut rows = Vec::new();
        for i in 0..inputs as i32 {
            let from: Vec<_> =
                (0..inputs as i32).map(|j| k.load(x.at(i * row + j * column), LANES)).collect();
            rows.push(transform.apply(k, &from));
        }
        for j in 0..inputs {
            let from: Vec<_> = rows.iter().map(|row| row[j]).collect();
            for (i, value) in transform.apply(k, &from).into_iter().enumerate() {
                k.store(v.at((i * inputs + j) as i32 * pitch), value, LANES);
            }
        }
        k.advance(x, tile.outputs() as i32 * column);
        k.advance(v, VECTOR_BYTES as i32);
    });
    k.finish(Spills::Allowed)
}
