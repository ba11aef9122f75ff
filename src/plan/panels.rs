//! Where a contraction's weights stand once they are packed.
//!
//! Panels follow one another densely: `[group][panel][channel block][tap][lane][vectors · 8]`. A panel
//! is what one tile of output channels needs, in the order in which a kernel reads it. All panels of a
//! group have `vectors` vectors but the last, which has what is left.
//!
//! With `G = ⌈out_channels / 8⌉` vectors in a group, `B = ⌈in_channels / block⌉` channel blocks and
//! `v(p) = min(vectors, G − p·vectors)`, the byte offset of the first of the `8 · v(p)` output channels is
//!
//! ```text
//! offset(g, p, b, t, l) = 32 · ( (g·G + p·vectors) · B·taps·block + ((b·taps + t)·block + l) · v(p) )
//! ```
//!
//! for group g, panel p, channel block b, tap t, lane l.

use super::task::{PackPanels, PackWinograd};
use crate::kernels::ir::LANES;

/// The sizes that the layout of panels depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Panels {
    /// Channel groups.
    pub groups: u64,
    /// Output channels of one group.
    pub out_channels: u64,
    /// Input channels of one group.
    pub in_channels: u64,
    /// Taps in a panel.
    pub taps: u64,
    /// Channels of an input block: 8, or 1 for planar inputs.
    pub block: u64,
    /// Vectors of a full panel.
    pub vectors: u64,
}

impl Panels {
    /// Vectors of output channels in a group.
    pub fn group_vectors(&self) -> u64 {
        self.out_channels.div_ceil(LANES as u64)
    }

    /// Blocks of input channels in a group.
    pub fn channel_blocks(&self) -> u64 {
        self.in_channels.div_ceil(self.block)
    }

    /// Panels in a group.
    pub fn count(&self) -> u64 {
        self.group_vectors().div_ceil(self.vectors)
    }

    /// Vectors of a panel: `vectors`, or what is left for the last.
    pub fn vectors_of(&self, panel: u64) -> u64 {
        self.vectors.min(self.group_vectors().saturating_sub(panel * self.vectors))
    }

    /// Byte offset of a row of output channels from the first panel; see the module's formula.
    pub fn offset(&self, group: u64, panel: u64, channel_block: u64, tap: u64, lane: u64) -> u64 {
        let rows = self.channel_blocks() * self.taps * self.block;
        let row = (channel_block * self.taps + tap) * self.block + lane;
        let before = group * self.group_vectors() + panel * self.vectors;
        4 * LANES as u64 * (before * rows + row * self.vectors_of(panel))
    }

    /// Bytes of all panels.
    pub fn bytes(&self) -> u64 {
        self.offset(self.groups, 0, 0, 0, 0)
    }
}

impl PackPanels {
    /// The layout of what is written.
    pub fn panels(&self) -> Panels {
        Panels {
            groups: self.groups,
            out_channels: self.out_channels / self.groups,
            in_channels: self.in_channels,
            taps: self.tap_index.len() as u64,
            block: u64::from(self.block),
            vectors: u64::from(self.vectors),
        }
    }
}

impl PackWinograd {
    /// The layout of one position's panels; those of all positions follow one another.
    pub fn panels(&self) -> Panels {
        Panels {
            groups: 1,
            out_channels: self.out_channels,
            in_channels: self.in_channels,
            taps: 1,
            block: LANES as u64,
            vectors: u64::from(self.vectors),
        }
    }
}
