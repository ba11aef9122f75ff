//! ONNX: networks that other programs wrote, as text in the language.
//!
//! ```text
//! bytes ─read→ Network ─lower(sizes, constants)→ Draft ─write→ text + weights ─parse, check→ Graph
//! ```
//!
//! ONNX is a second front end: what it gives is a text, which goes the way of every text. So the printed
//! `.conv` and the direct run cannot differ, and there is one set of rules for shapes.

pub mod draft;
pub mod export;
pub mod proto;
pub mod write;
