//! ONNX: networks that other programs wrote, as text in the language.
//!
//! ```text
//! bytes ─read→ Network ─lower(sizes, constants)→ Draft ─write→ text + weights ─parse, check→ Graph
//! ```
//!
//! ONNX is a second front end: what it gives is a text, which goes the way of every text. So the printed
//! `.conv` and the direct run cannot differ, and there is one set of rules for shapes.

pub mod draft;
pub mod error;
pub mod export;
pub mod import;
pub mod lower;
pub mod network;
pub mod proto;
pub mod read;
pub mod tensor;
pub mod write;

mod call;
mod external;
mod fold;
mod payload;
mod shapes;
mod wire;
mod words;

pub use error::OnnxError;
pub use import::Import;
pub use lower::{Bindings, lower};
pub use network::{InputAxis, Network, NetworkInput};
pub use read::read;
pub use tensor::{Constant, Elements};
