//! What a position outside an axis stands for.

use crate::graph::Border;

/// The element that position `i` of an axis of `n` elements stands for; `None` is a zero.
///
/// Reflection repeats with period `2n − 2` and wrapping with period `n`, so every position has an
/// answer, also where the checker allows no such padding.
pub(super) fn source(i: i64, n: usize, border: Border) -> Option<usize> {
    let len = i64::try_from(n).ok().filter(|&len| len > 0)?;
    let inside = match border {
        _ if (0..len).contains(&i) => i,
        Border::Zero => return None,
        Border::Replicate => i.clamp(0, len - 1),
        Border::Reflect if len == 1 => 0,
        Border::Reflect => {
            let period = 2 * (len - 1);
            let folded = i.rem_euclid(period);
            folded.min(period - folded)
        }
        Border::Wrap => i.rem_euclid(len),
    };
    usize::try_from(inside).ok()
}

/// The answers for the positions `−before .. n + after` of an axis.
pub(super) fn table(n: usize, before: u64, after: u64, border: Border) -> Vec<Option<usize>> {
    let (before, after) = (before as i64, after as i64);
    (-before..n as i64 + after).map(|i| source(i, n, border)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(border: Border) -> String {
        table(3, 2, 2, border).iter().map(|i| i.map_or('0', |i| char::from(b'a' + i as u8))).collect()
    }

    #[test]
    fn borders_are_as_their_definitions_draw_them() {
        assert_eq!(spelled(Border::Zero), "00abc00");
        assert_eq!(spelled(Border::Replicate), "aaabccc");
        assert_eq!(spelled(Border::Reflect), "cbabcba");
        assert_eq!(spelled(Border::Wrap), "bcabcab");
    }

    #[test]
    fn one_element_reflects_to_itself() {
        assert_eq!(table(1, 2, 2, Border::Reflect), vec![Some(0); 5]);
    }
}
