//! Weights from beyond the second-level cache.

use crate::kernels::ir::LINE;
use crate::target::Target;

/// Lines that a block asks for at most.
const MOST: u64 = 64;

/// What is asked for of the next panel of weights while one is used. All tiles of a panel take a share, so that memory
/// is at work all the time; the processor's own look-ahead ends at the end of a page, and lets the first tile wait.
#[derive(Clone, Copy, Debug)]
pub(in crate::kernels) struct Ahead {
    /// Bytes of a panel.
    panel: i64,
    /// Tiles that use it.
    tiles: u64,
    /// Lines that each block of input channels asks for.
    lines: u32,
}

impl Ahead {
    /// Of panels of `panel` bytes and `blocks` blocks of input channels, each used by `tiles` tiles, of `all` bytes
    /// together; none where the second-level cache holds them, or a panel is less than a line.
    pub(in crate::kernels) fn of(
        panel: i64,
        blocks: u64,
        tiles: u64,
        all: i64,
        target: &Target,
    ) -> Option<Ahead> {
        if all <= i64::from(target.l2_bytes / 2) || panel < LINE || tiles == 0 || blocks == 0 {
            return None;
        }
        let share = (panel / LINE).unsigned_abs().div_ceil(tiles);
        Some(Ahead { panel, tiles, lines: share.div_ceil(blocks).min(MOST) as u32 })
    }

    /// Bytes from the next panel to what `tile` of this panel's tiles begins to ask for.
    pub(in crate::kernels) fn share(self, tile: u64) -> i64 {
        self.panel / LINE * tile as i64 / self.tiles as i64 * LINE
    }

    /// Lines that each block of input channels asks for.
    pub(in crate::kernels) fn lines(self) -> u32 {
        self.lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_a_panel() {
        for (panel, blocks, tiles) in [(32 << 10, 64, 3), (36 << 10, 8, 50), (9 << 15, 64, 9), (64, 1, 7)] {
            let ahead = Ahead::of(panel, blocks, tiles, 1 << 30, &Target::X64_AVX2).expect("far");
            assert_eq!([ahead.share(0), ahead.share(tiles)], [0, panel]);
            for tile in 0..tiles {
                let asked = i64::from(ahead.lines()) * blocks as i64 * LINE;
                assert!(ahead.share(tile) + asked >= ahead.share(tile + 1), "{panel} {tile}");
            }
        }
        assert!(Ahead::of(1 << 10, 8, 4, 1 << 10, &Target::X64_AVX2).is_none());
        assert!(Ahead::of(32, 1, 4, 1 << 30, &Target::X64_AVX2).is_none());
    }
}
