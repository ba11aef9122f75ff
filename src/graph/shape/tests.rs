//! The formulas against counting.

use super::*;
use crate::graph::Border;
use proptest::prelude::*;

/// Counts the windows that lie within `lo .. hi`, the first starting at `lo`.
fn count_windows(lo: i64, hi: i64, effective: i64, stride: i64) -> u64 {
    let mut count = 0;
    let mut start = lo;
    while start + effective <= hi {
        count += 1;
        start += stride;
    }
    count
}

/// Every window with n ≤ 12, k ≤ 5 and small paddings, strides and dilations.
fn all_windows() -> impl Iterator<Item = Along> {
    let axis = Axis::Width;
    (1..=12u64).flat_map(move |n| {
        (1..=5u64).flat_map(move |kernel| {
            (1..=4u64).flat_map(move |stride| {
                (1..=3u64).flat_map(move |dilation| {
                    (0..=4u64).flat_map(move |before| {
                        (0..=4u64).map(move |after| Along {
                            axis,
                            n,
                            kernel,
                            stride,
                            dilation,
                            before,
                            after,
                        })
                    })
                })
            })
        })
    })
}

#[test]
fn floor_counts_the_windows_within_the_padded_input() {
    for a in all_windows() {
        let effective = ((a.kernel - 1) * a.dilation + 1) as i64;
        let count = count_windows(-(a.before as i64), (a.n + a.after) as i64, effective, a.stride as i64);
        match a.output() {
            Ok(out) => assert_eq!(out, count, "{a:?}"),
            Err(e) => {
                assert_eq!((count, e.code), (0, Code::WindowTooLarge), "{a:?}");
            }
        }
    }
}

#[test]
fn ceil_counts_the_windows_that_begin_within_the_input_or_before_it() {
    for a in all_windows() {
        let Ok(floor) = a.output() else {
            assert!(a.output_ceil().is_err());
            continue;
        };
        let effective = ((a.kernel - 1) * a.dilation + 1) as i64;
        let (lo, hi) = (-(a.before as i64), (a.n + a.after) as i64);
        // One window more than fits, if the last does not end at the padded input's end and the
        // new one still starts before the end of the input.
        let last = lo + (floor as i64 - 1) * a.stride as i64;
        let ends_exactly = last + effective == hi;
        let mut want = floor + u64::from(!ends_exactly);
        let start = lo + (want as i64 - 1) * a.stride as i64;
        if start >= a.n as i64 {
            want -= 1;
        }
        assert_eq!(a.output_ceil(), Ok(want), "{a:?}");
    }
}

#[test]
fn a_window_of_padding_is_found_wherever_there_is_one() {
    for a in all_windows() {
        let Ok(out) = a.output() else { continue };
        let sees = |o: u64| {
            (0..a.kernel).any(|i| {
                let at = (o * a.stride + i * a.dilation) as i64 - a.before as i64;
                (0..a.n as i64).contains(&at)
            })
        };
        let blind: Vec<u64> = (0..out).filter(|&o| !sees(o)).collect();
        match a.window_of_padding(out) {
            None => assert!(blind.is_empty(), "{a:?} {blind:?}"),
            Some(o) => assert!(blind.contains(&o), "{a:?} {o}"),
        }
    }
}

#[test]
fn same_words_give_ceil_n_over_s_and_put_the_extra_where_they_say() {
    for a in all_windows() {
        let effective = a.effective().unwrap();
        let want = a.n.div_ceil(a.stride);
        // The least padding that gives `want` windows, by search.
        let least = (0..=effective + a.stride)
            .find(|&p| Along { before: p, after: 0, ..a }.output() == Ok(want))
            .unwrap();
        for (word, first) in [(Padding::SameLower, true), (Padding::SameUpper, false)] {
            let (before, after) = word.sides(a.axis, Some(a.n), effective, a.stride).unwrap().unwrap();
            assert_eq!(Along { before, after, ..a }.output(), Ok(want), "{a:?} {word:?}");
            assert_eq!(before + after, least, "{a:?} {word:?}");
            assert!(if first { before >= after } else { after >= before });
            assert!(before.abs_diff(after) <= 1);
        }
        match Padding::Same.sides(a.axis, None, effective, a.stride) {
            Ok(sides) => {
                assert!(a.stride == 1 && effective % 2 == 1);
                assert_eq!(sides, Some((effective / 2, effective / 2)));
                for word in [Padding::SameLower, Padding::SameUpper, Padding::Total(effective - 1)] {
                    assert_eq!(word.sides(a.axis, None, effective, 1).unwrap(), sides);
                }
            }
            Err(e) => {
                assert!(a.stride != 1 || effective % 2 == 0);
                assert_eq!(e.code, Code::AmbiguousSame);
            }
        }
    }
}

#[test]
fn same_with_a_stride_waits_for_the_size() {
    assert_eq!(Padding::SameUpper.sides(Axis::Width, None, 3, 2), Ok(None));
    assert_eq!(Padding::SameUpper.sides(Axis::Width, Some(224), 3, 2), Ok(Some((0, 1))));
    assert_eq!(Padding::SameLower.sides(Axis::Width, Some(224), 3, 2), Ok(Some((1, 0))));
}

#[test]
fn the_textbook_total_puts_the_larger_half_first() {
    assert_eq!(Padding::Total(5).sides(Axis::Height, None, 3, 1), Ok(Some((3, 2))));
    assert_eq!(Padding::Total(4).sides(Axis::Height, None, 3, 1), Ok(Some((2, 2))));
    assert_eq!(Padding::Total(0).sides(Axis::Height, None, 3, 1), Ok(Some((0, 0))));
}

/// d2l: an 8×8 input under several windows.
#[test]
fn the_textbook_numbers() {
    let out = |k: u64, pad: u64, stride: u64| {
        Along { axis: Axis::Height, n: 8, kernel: k, stride, dilation: 1, before: pad, after: pad }
            .output()
            .unwrap()
    };
    assert_eq!((out(3, 1, 1), out(3, 1, 1)), (8, 8));
    assert_eq!((out(5, 2, 1), out(3, 1, 1)), (8, 8));
    assert_eq!((out(3, 0, 1), out(5, 1, 1)), (6, 6));
    assert_eq!((out(3, 0, 3), out(5, 1, 2)), (2, 3));
}

#[test]
fn a_window_too_large_shows_the_formula_and_what_would_fit() {
    let a = Along { axis: Axis::Height, n: 4, kernel: 5, stride: 1, dilation: 1, before: 0, after: 0 };
    let e = a.output().unwrap_err();
    assert_eq!((e.code, e.about), (Code::WindowTooLarge, "kernel"));
    assert_eq!(e.notes, ["height: out = floor((n + p − k_eff)/s) + 1 = floor((4 + 0 − 5)/1) + 1"]);
    assert!(e.help.iter().any(|h| h.contains("pad=1")), "{e:?}");
    assert!(Along { before: 1, after: 1, ..a }.output().is_ok());
    let dilated = Along { kernel: 3, dilation: 4, ..a }.output().unwrap_err();
    assert!(dilated.notes.iter().any(|n| n.contains("(3 − 1)·4 + 1 = 9")), "{dilated:?}");
    assert!(dilated.help.iter().any(|h| h.contains("kernel of 1 or less")), "{dilated:?}");
}

#[test]
fn windows_have_limits_and_never_zero() {
    let code = |k, s, d| check_window(Axis::Height, k, s, d).unwrap_err().code;
    assert_eq!(code(0, 1, 1), Code::OutOfRange);
    assert_eq!(code(1, 0, 1), Code::OutOfRange);
    assert_eq!(code(1, 1, 0), Code::OutOfRange);
    assert_eq!(code(1_000_000, 1, 1), Code::WindowLimit);
    assert_eq!(code(1000, 1, 1000), Code::WindowLimit);
    assert_eq!(code(1, u64::MAX, 1), Code::WindowLimit);
}

#[test]
fn transposed_is_the_adjoint_of_the_window() {
    // A transposed convolution maps back to every size that the convolution maps from.
    for a in all_windows() {
        let Ok(out) = a.output() else { continue };
        let t = TransposedAlong {
            axis: a.axis,
            n: out,
            kernel: a.kernel,
            stride: a.stride,
            dilation: a.dilation,
            before: a.before,
            after: a.after,
            output_pad: 0,
        };
        let back: Vec<u64> = (0..a.stride.max(a.dilation))
            .filter_map(|output_pad| TransposedAlong { output_pad, ..t }.output().ok())
            .collect();
        assert!(back.contains(&a.n), "{a:?} {back:?}");
        let e = TransposedAlong { output_pad: a.stride.max(a.dilation), ..t }.output().unwrap_err();
        assert_eq!(e.code, Code::BadOutputPad);
    }
}

#[test]
fn an_output_shape_derives_the_padding() {
    let t = TransposedAlong {
        axis: Axis::Height,
        n: 3,
        kernel: 3,
        stride: 3,
        dilation: 1,
        before: 0,
        after: 0,
        output_pad: 0,
    };
    // (3 − 1)·3 + 3 = 9; ONNX's convtranspose_output_shape case asks for 8.
    assert_eq!(pads_for_output(t, 8, false), Ok((1, 0)));
    assert_eq!(pads_for_output(t, 8, true), Ok((0, 1)));
    assert_eq!(pads_for_output(t, 9, true), Ok((0, 0)));
    assert_eq!(pads_for_output(t, 10, true).unwrap_err().code, Code::BadOutputPad);
}

#[test]
fn borders_need_the_elements_they_repeat() {
    let ok = |b, n, pad| {
        border_fits(Axis::Width, b, n, pad, 0).is_ok() && border_fits(Axis::Width, b, n, 0, pad).is_ok()
    };
    for n in 1..6 {
        for pad in 0..8 {
            assert!(ok(Border::Zero, n, pad) && ok(Border::Replicate, n, pad));
            assert_eq!(ok(Border::Reflect, n, pad), pad < n, "{n} {pad}");
            assert_eq!(ok(Border::Wrap, n, pad), pad <= n, "{n} {pad}");
        }
    }
}

#[test]
fn broadcasting_aligns_from_the_last_axis() {
    assert_eq!(broadcast(&[3, 4, 5], &[4, 5]).unwrap(), [3, 4, 5]);
    assert_eq!(broadcast(&[3, 1, 1], &[3, 4, 5]).unwrap(), [3, 4, 5]);
    assert_eq!(broadcast(&[3, 1, 5], &[1, 4, 1]).unwrap(), [3, 4, 5]);
    assert_eq!(broadcast(&[], &[2, 2]).unwrap(), [2, 2]);
    assert_eq!(broadcast(&[3, 4, 5], &[3, 4, 6]).unwrap_err().code, Code::Broadcast);
    assert_eq!(broadcast(&[3], &[3, 4]).unwrap_err().code, Code::Broadcast);
}

#[test]
fn joining_cutting_and_splitting() {
    assert_eq!(concat(&[&[3, 4, 4], &[5, 4, 4], &[1, 4, 4]], 0).unwrap(), [9, 4, 4]);
    assert_eq!(concat(&[&[3, 4, 4], &[3, 5, 4]], 1).unwrap(), [3, 9, 4]);
    assert_eq!(concat(&[&[3, 4, 4], &[3, 5, 4]], 0).unwrap_err().code, Code::ConcatShapes);
    assert_eq!(concat(&[&[3]], 1).unwrap_err().code, Code::BadAxis);
    assert_eq!(concat(&[&[u64::MAX], &[1]], 0).unwrap_err().code, Code::Overflow);
    assert_eq!(crop(Axis::Height, 5, 1, 3), Ok(1));
    assert_eq!(crop(Axis::Height, 5, 1, 4).unwrap_err().about, "bottom");
    assert!(crop(Axis::Width, 5, u64::MAX, 1).is_err());
    assert_eq!(group("input", 12, 4), Ok(3));
    assert_eq!(group("input", 12, 5).unwrap_err().code, Code::BadGroups);
    assert_eq!(group("input", 12, 0).unwrap_err().code, Code::OutOfRange);
    assert_eq!(pixel_shuffle(48, 4), Ok(3));
    assert_eq!(pixel_shuffle(48, 5).unwrap_err().code, Code::ShuffleChannels);
    assert_eq!(pixel_shuffle(48, u64::MAX).unwrap_err().code, Code::Overflow);
    assert_eq!([1, 2, 3, 4, 5].map(channel_axis), [Some(0), Some(1), Some(0), Some(1), Some(2)]);
}

#[test]
fn scales_round_down_and_never_to_nothing() {
    assert_eq!(scaled_by(Axis::Height, 5, 1.5), Ok(7));
    assert_eq!(scaled_by(Axis::Height, 1, 0.5).unwrap_err().code, Code::EmptyShape);
    assert_eq!(scaled_by(Axis::Height, 1 << 30, 1e9).unwrap_err().code, Code::DimTooLarge);
    assert_eq!(scaled(Axis::Height, u64::MAX, 2).unwrap_err().code, Code::Overflow);
    assert_eq!(scaled(Axis::Height, 17, 4), Ok(68));
}

proptest! {
    /// Large numbers never overflow silently: the rule holds in 128 bits, or it is an error.
    #[test]
    fn large_windows_agree_with_128_bits(
        n in 1u64..u64::MAX, kernel in 1u64..40_000, stride in 1u64..40_000, dilation in 1u64..40_000,
        before in 0u64..u64::MAX, after in 0u64..u64::MAX,
    ) {
        let a = Along { axis: Axis::Height, n, kernel, stride, dilation, before, after };
        let wide = (n as u128 + before as u128 + after as u128)
            .checked_sub((kernel as u128 - 1) * dilation as u128 + 1)
            .map(|room| room / stride as u128 + 1);
        match a.output() {
            Ok(out) => prop_assert_eq!(Some(out as u128), wide),
            Err(e) => prop_assert!(
                matches!(e.code, Code::WindowLimit | Code::Overflow | Code::WindowTooLarge), "{}", e
            ),
        }
        let _ = a.formula(true);
        let _ = a.output_ceil();
        let _ = a.window_of_padding(3);
    }

    #[test]
    fn large_transposed_windows_agree_with_128_bits(
        n in 1u64..u64::MAX, kernel in 1u64..200, stride in 1u64..200, dilation in 1u64..100,
        before in 0u64..u64::MAX, output_pad in 0u64..200,
    ) {
        let t = TransposedAlong { axis: Axis::Height, n, kernel, stride, dilation, before, after: 1, output_pad };
        let wide = (n as i128 - 1) * stride as i128 - before as i128 - 1
            + (kernel as i128 - 1) * dilation as i128 + 1 + output_pad as i128;
        if let Ok(out) = t.output() {
            prop_assert_eq!(out as i128, wide);
        }
        let _ = t.formula();
    }
}
