//! The syntax tree as an outline, for emit and snapshots.
