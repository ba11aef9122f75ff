//! Sizes of register tiles.

use crate::target::Target;

/// Whether a tile of `vectors` has wide registers, each two vectors.
pub(crate) fn is_wide(vectors: u32, target: &Target) -> bool {
    target.has_wide() && vectors > 0 && vectors.is_multiple_of(2)
}

/// How many pixels fit beside `vectors` in 16 registers, or 32 wide ones: accumulators, weights and one broadcast.
/// A single pixel takes its weights from memory and needs no registers for them.
pub(crate) fn most_pixels(vectors: u32, target: &Target) -> u32 {
    if is_wide(vectors, target) {
        // Rows of 7, 14, 28, 56 and 112 pixels, which are common, are whole tiles. Four registers are left for
        // what follows the sums.
        return match vectors / 2 {
            1 => 28,
            2 => 14,
            3 => 9,
            4 => 6,
            _ => 1,
        };
    }
    match vectors {
        0 | 1 => 12,
        2 => 6,
        3 => 4,
        4 => 2,
        _ => 1,
    }
}

/// Cuts a row of `width` pixels into tiles of at most `most`: `(pixels, tiles)`, as even as can be,
/// so that no tile is too narrow to hide the latency of FMA: 56 by 6 is 6·6 + 4·5.
pub(crate) fn split_row(width: u64, most: u32) -> Vec<(u32, u64)> {
    let tiles = width.div_ceil(u64::from(most));
    if tiles == 0 {
        return Vec::new();
    }
    let (narrow, wide_tiles) = ((width / tiles) as u32, width % tiles);
    let mut parts = Vec::new();
    if wide_tiles > 0 {
        parts.push((narrow + 1, wide_tiles));
    }
    if tiles > wide_tiles {
        parts.push((narrow, tiles - wide_tiles));
    }
    parts
}

/// Rows that are cut together, at most: each tile that crosses rows in another way has code of its own.
const ROWS: u64 = 4;

/// How many rows are cut together into tiles of `vectors`. Short rows leave tiles too narrow to hide the latency of
/// FMA; of several rows that follow each other the last pixels of one and the first of the next are a tile.
pub(crate) fn rows_together(rows: u64, columns: u64, vectors: u32, target: &Target) -> u64 {
    let most = most_pixels(vectors, target);
    if columns >= 2 * u64::from(most) {
        return 1;
    }
    let registers = if is_wide(vectors, target) { vectors / 2 } else { vectors };
    // In FMAs: ten are under way at once.
    let tile = |pixels: u32| u64::from((pixels * registers).max(10));
    let unit = |pixels: u64| split_row(pixels, most).iter().map(|&(p, n)| n * tile(p)).sum::<u64>();
    let cost =
        |rows_each: u64| rows / rows_each * unit(rows_each * columns) + unit(rows % rows_each * columns);
    let all = 1..=rows.clamp(1, ROWS);
    let least = all.clone().map(cost).min().unwrap_or(0);
    // Few rows where more gain less than a fiftieth.
    all.clone().find(|&rows_each| 50 * cost(rows_each) <= 51 * least).unwrap_or(1)
}

/// Vectors of a tile for a number of output blocks: 2 leaves room for 6 pixels, 3 for 4; wide ones 4 for 14
/// and 6 for 9. A single pixel wants as many independent sums as hide the latency of FMA.
pub(crate) fn tile_vectors(blocks: u64, one_pixel: bool, target: &Target) -> u32 {
    if one_pixel {
        return blocks.clamp(1, 8) as u32;
    }
    match blocks {
        0..=3 => blocks.max(1) as u32,
        n if target.has_wide() => {
            if n % 4 != 0 && n % 6 == 0 {
                6
            } else {
                4
            }
        }
        n if n % 2 == 0 => 2,
        n if n % 3 == 0 => 3,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_covered_exactly_by_even_tiles() {
        assert_eq!(split_row(56, 6), [(6, 6), (5, 4)]);
        for width in 0..200 {
            for most in 1..13 {
                let parts = split_row(width, most);
                assert_eq!(parts.iter().map(|&(p, n)| u64::from(p) * n).sum::<u64>(), width);
                assert!(parts.iter().all(|&(p, n)| (1..=most).contains(&p) && n > 0));
            }
        }
    }

    #[test]
    fn short_rows_are_cut_together() {
        let together = |size: u64, target: Target, vectors: u32| rows_together(size, size, vectors, &target);
        assert_eq!([4, 7, 8, 14, 28].map(|size| together(size, Target::X64_AVX2, 2)), [4, 4, 2, 1, 1]);
        assert_eq!([4, 7, 8, 14, 28].map(|size| together(size, Target::X64_AVX512, 4)), [2, 1, 1, 1, 1]);
        assert_eq!(rows_together(1, 7, 2, &Target::X64_AVX2), 1);
    }

    #[test]
    fn tiles_fit_the_registers() {
        for vectors in 1..=8 {
            for target in [Target::X64_AVX2, Target::X64_AVX512] {
                let pixels = most_pixels(vectors, &target);
                let (columns, registers) =
                    if is_wide(vectors, &target) { (vectors / 2, 32) } else { (vectors, 16) };
                let weights = if pixels > 1 { columns } else { 0 };
                assert!(pixels * columns + weights < registers);
            }
        }
    }
}
