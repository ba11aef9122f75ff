//! Models that are wrong, and what is said about them.

use super::{checked, rendered, snapshots};

#[test]
fn models_that_are_wrong() {
    snapshots("errors", |source| {
        let (checked, syntax) = checked(source);
        assert!(checked.graph.is_none() || !checked.has_errors());
        rendered(source, &syntax) + &rendered(source, &checked.diagnostics)
    });
}
