//! A receptive field as cells of a table and as data.

use serde_json::{Value, json};

use crate::graph::field::{Extent, Field};

/// What an output position of a layer sees of the input.
pub(super) struct Seen {
    /// `5×5`, `all`, or both; `~` where positions differ.
    pub(super) size: String,
    /// Step in the input for a step in the output.
    pub(super) stride: String,
    /// The first row and column that position 0 sees.
    pub(super) start: String,
    /// Where positions differ: what the one in the middle sees.
    pub(super) remark: Option<String>,
    pub(super) json: Value,
}

impl Seen {
    pub(super) fn new(field: Option<&Field>) -> Seen {
        let dash = || "-".to_owned();
        let Some(field) = field else {
            return Seen { size: dash(), stride: dash(), start: dash(), remark: None, json: Value::Null };
        };
        let Some([rows, columns]) = field.local else {
            let json = json!({ "global": true, "size": null, "stride": null, "start": null });
            return Seen { size: "all".to_owned(), stride: dash(), start: dash(), remark: None, json };
        };
        let (height, width) = (size(rows), size(columns));
        let (regular, remark) = match (rows, columns) {
            (
                Extent::Regular { stride: sh, start: h, .. },
                Extent::Regular { stride: sw, start: w, .. },
            ) => (Some(([sh, sw], [h, w])), None),
            _ => (None, Some(format!("{}; {}", says(rows, "row", "rows"), says(columns, "column", "columns")))),
        };
        let approximately = if regular.is_some() { "" } else { "~" };
        let all = if field.global { " + all" } else { "" };
        Seen {
            size: format!("{approximately}{height}×{width}{all}"),
            stride: regular.map_or_else(dash, |(stride, _)| pair(stride)),
            start: regular.map_or_else(dash, |(_, start)| pair(start)),
            remark,
            json: json!({
                "global": field.global,
                "size": [height, width],
                "stride": regular.map(|(stride, _)| stride),
                "start": regular.map(|(_, start)| start),
            }),
        }
    }
}

fn size(extent: Extent) -> u64 {
    match extent {
        Extent::Regular { size, .. } | Extent::Interval { size, .. } => size,
    }
}

/// "row 4 of the output sees rows 1 to 6".
fn says(extent: Extent, one: &str, many: &str) -> String {
    match extent {
        Extent::Regular { size, stride, start } => {
            format!("{one} o sees {size} {many} from {start} + {stride}·o")
        }
        Extent::Interval { at, seen, .. } => {
            format!("{one} {at} of the output sees {many} {} to {}", seen.first, seen.last)
        }
    }
}

fn pair<T: PartialEq + std::fmt::Display>([h, w]: [T; 2]) -> String {
    if h == w { h.to_string() } else { format!("{h}, {w}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::field::Interval;

    #[test]
    fn fields_are_said_in_few_characters() {
        let regular = |size, stride, start| Extent::Regular { size, stride, start };
        let cells = |field: Field| {
            let seen = Seen::new(Some(&field));
            (seen.size, seen.stride, seen.start, seen.remark.is_some())
        };
        let of = |a: &str, b: &str, c: &str, d| (a.to_owned(), b.to_owned(), c.to_owned(), d);
        let local = Some([regular(14, 2, -2), regular(14, 2, -2)]);
        assert_eq!(cells(Field { local, global: false }), of("14×14", "2", "-2", false));
        let local = Some([regular(3, 1, 0), regular(5, 2, -1)]);
        assert_eq!(cells(Field { local, global: true }), of("3×5 + all", "1, 2", "0, -1", false));
        assert_eq!(cells(Field { local: None, global: true }), of("all", "-", "-", false));
        let interval = Extent::Interval { at: 4, seen: Interval { first: 1, last: 6 }, size: 7 };
        let local = Some([interval, regular(1, 1, 0)]);
        assert_eq!(cells(Field { local, global: false }), of("~7×1", "-", "-", true));
        let remark = Seen::new(Some(&Field { local, global: false })).remark.expect("a local field has a remark");
        assert_eq!(remark, "row 4 of the output sees rows 1 to 6; column o sees 1 columns from 0 + 1·o");
    }
}
