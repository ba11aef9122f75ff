//! What an untrusted model may ask for at the most.
//!
//! Every limit is checked before the memory or the time it guards is spent. They are generous for
//! real networks and small enough that a hostile text fails within a second.

/// Bytes of a model's text. ResNet-152 with every layer written out takes 50 KB, [`TAPS`] numbers of
/// ten characters 640 KB; the parser needs up to 300 bytes for each byte of the text.
pub const TEXT_BYTES: usize = 1 << 20;
/// Depth of nested brackets in the text (the parser recurses).
pub const NESTING: usize = 64;
/// Depth of an expression's tree: brackets, and the operators of a chain (every stage recurses).
pub const EXPR_DEPTH: usize = 256;
/// Statements after blocks are inlined and `repeat` is unrolled.
pub const STATEMENTS: usize = 20_000;
/// Expressions evaluated while blocks are inlined and `repeat` is unrolled.
pub const EVALUATIONS: usize = 1 << 20;
/// Nodes of a graph made from a text.
pub const NODES: usize = 1 << 17;
/// Elements of all taps that a text makes, those of intermediate steps included.
pub const TAPS_TOTAL: usize = 1 << 24;
/// Bytes of a full name, prefixes of blocks included.
pub const NAME_BYTES: usize = 512;
/// Depth of expressions and statements while blocks are inlined (the checker recurses).
pub const EXPANSION_DEPTH: usize = 256;
/// Depth of blocks that use blocks.
pub const BLOCK_DEPTH: usize = 32;
/// Errors reported for one file before the rest is only counted.
pub const ERRORS: usize = 50;
/// Length of one axis.
pub const DIM: u64 = 1 << 31;
/// Axes of a value.
pub const RANK: usize = 8;
/// Elements of one value or weight.
pub const ELEMENTS: u64 = 1 << 33;
/// Height or width of a kernel, and the largest stride, dilation or padding.
pub const WINDOW: u64 = 1 << 15;
/// Elements of taps written in the text.
pub const TAPS: usize = 1 << 16;
/// Bytes of a weight file that are read.
pub const WEIGHT_FILE_BYTES: u64 = 8 << 30;
/// Bytes of a weight file's header; its directory takes several times that in memory.
pub const WEIGHT_HEADER_BYTES: u64 = 16 << 20;
/// Entries of an archive of arrays.
pub const ARCHIVE_ENTRIES: usize = 4096;
/// Bytes that an archive may unpack to, for each of its own.
pub const ARCHIVE_RATIO: u64 = 100;
/// Bytes that any archive may unpack to.
pub const ARCHIVE_FREE_BYTES: u64 = 64 << 20;
/// Side of a picture in pixels, and pixels in all.
pub const PICTURE_SIDE: u32 = 1 << 16;
/// Inputs, and outputs, of a program.
pub const PORTS: usize = 64;
/// Pixels of a picture.
pub const PICTURE_PIXELS: u64 = 1 << 28;
/// Nodes of an ONNX graph.
pub const ONNX_NODES: u64 = 1 << 16;
/// Bytes that decoding any ONNX file may take, and how many more for each byte of the file: a message
/// of two bytes becomes a structure of hundreds.
pub const ONNX_FREE_BYTES: u64 = 64 << 20;
/// See [`ONNX_FREE_BYTES`].
pub const ONNX_RATIO: u64 = 16;
/// Bytes of constants that importing any ONNX graph may compute; see [`ONNX_FOLDED_RATIO`].
pub const ONNX_FOLDED_BYTES: u64 = 64 << 20;
/// How many more for each byte of the graph's constants: weights are transposed and scaled at import.
pub const ONNX_FOLDED_RATIO: u64 = 4;
/// Lines of the text that an ONNX graph becomes.
pub const ONNX_LINES: usize = STATEMENTS;
/// Copies or pieces that one ONNX node may become lines for (`Tile`, `Expand`, `Gather`).
pub const ONNX_PIECES: u64 = 256;
