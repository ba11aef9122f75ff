//! A trained network as its makers published it: the ONNX file unmodified, against what ONNX Runtime recorded.

use convc::onnx::Bindings;
use convc::{Model, Options};

use crate::cases::{Tolerance, array, compare};
use crate::fenced;
use crate::nets::shared;

#[test]
fn the_direction_classifier_s_own_file_gives_what_its_runtime_gave() {
    let (Some(files), Some(recorded)) = (shared("onnx_nets"), shared("models/ppocr_cls_mobile_v2")) else {
        return;
    };
    let file = files.join("ch_ppocr_mobile_v2.0_cls_infer.onnx");
    // Its sizes are open, and nothing in it depends on them.
    let model = Model::from_onnx(&file, &Bindings::default()).unwrap_or_else(|e| panic!("{e}"));
    let x = array(&recorded.join("input.npy"));
    let y = array(&recorded.join("output.npy"));
    let (_, found) = fenced::run_model(&model, &Options::default().input(&x.shape()[1..]), &[x.view()]);
    assert_eq!(found[0].shape(), y.shape());
    compare(found[0].data(), y.data(), Tolerance::Range(1e-4)).unwrap_or_else(|e| panic!("{e}"));
}
