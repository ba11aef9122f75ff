//! The functions of expressions, and those that make taps.

use super::Kind::{Axis, Number, Whole};
use super::{Function, FunctionDef, may, must};

/// A function of `operands` values or numbers.
const fn of(
    name: &'static str,
    function: Function,
    operands: (usize, usize),
    doc: &'static str,
    example: &'static str,
) -> FunctionDef {
    FunctionDef { name, function, args: &[], operands, positional: 0, doc, example }
}

/// Every function, in the order of the reference.
pub(in crate::graph::check) const FUNCTIONS: &[FunctionDef] = &[
    of("sqrt", Function::Sqrt, (1, 1), "√x of a value or a number.", "input x [3, 8, 8]\nsqrt(x * x + 1)"),
    of("abs", Function::Abs, (1, 1), "|x| of a value or a number.", "input x [3, 8, 8]\nabs(x - 0.5)"),
    of("exp", Function::Exp, (1, 1), "eˣ of a value or a number.", "input x [3, 8, 8]\nexp(-x)"),
    of("log", Function::Log, (1, 1), "The natural logarithm of a value.", "input x [3, 8, 8]\nlog(x + 1)"),
    of("erf", Function::Erf, (1, 1), "The error function of a value.", "input x [3, 8, 8]\nerf(x / 2)"),
    of("pow", Function::Pow, (2, 2), "aᵇ of values.", "input x [3, 8, 8]\npow(x, 2.2)"),
    of("min", Function::Min, (2, usize::MAX), "The smallest; NaN if any is.", "input x [3, 8, 8]\nmin(x, 1)"),
    of(
        "max",
        Function::Max,
        (2, usize::MAX),
        "The largest; NaN if any is.",
        "input x [3, 8, 8]\nmax(x, 1 - x)",
    ),
    FunctionDef {
        name: "concat",
        function: Function::Concat,
        args: &[may(
            "axis",
            Axis,
            "the axis along which they are joined; that of the channels where not given",
        )],
        operands: (1, usize::MAX),
        positional: 0,
        doc: "Joins values along an axis; all other axes must be equal.",
        example: "input x [3, 8, 8]\nconcat(x, relu(-x)) -> [6, 8, 8]",
    },
    of(
        "matmul",
        Function::MatMul,
        (2, 2),
        "Matrix products over the last two axes, `[…, M, K]` by `[…, K, N]`; the axes before go together as those of `+` do.",
        "input x [4, 10, 16]\nparam w [16, 8]\nmatmul(x, w) -> [4, 10, 8]",
    ),
    FunctionDef {
        name: "gaussian",
        function: Function::Gaussian,
        args: &[
            must("size", Whole(1), "taps of each side, an odd number"),
            may(
                "sigma",
                Number,
                "standard deviation; `0.3·((size − 1)/2 − 1) + 0.8` where not given, as in OpenCV",
            ),
        ],
        operands: (0, 0),
        positional: 2,
        doc: "A Gaussian bell whose taps sum to 1.",
        example: "input x [3, 8, 8]\nfilter(gaussian(5, sigma=1.2), pad=same)",
    },
    FunctionDef {
        name: "box",
        function: Function::Box,
        args: &[must("size", Whole(1), "taps of each side")],
        operands: (0, 0),
        positional: 1,
        doc: "The mean of a square: every tap is `1/size²`.",
        example: "input x [3, 8, 8]\nfilter(box(3), pad=same)",
    },
    of(
        "sobel_x",
        Function::SobelX,
        (0, 0),
        "`[[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]`: the slope along a row.",
        "input x [1, 8, 8]\nfilter(sobel_x, pad=1)",
    ),
    of(
        "sobel_y",
        Function::SobelY,
        (0, 0),
        "`sobel_x` transposed: the slope along a column.",
        "input x [1, 8, 8]\nfilter(sobel_y, pad=1)",
    ),
    of(
        "laplacian",
        Function::Laplacian,
        (0, 0),
        "`[[0, 1, 0], [1, -4, 1], [0, 1, 0]]`",
        "input x [1, 8, 8]\nfilter(laplacian, pad=1)",
    ),
    of(
        "sharpen",
        Function::Sharpen,
        (0, 0),
        "`[[0, -1, 0], [-1, 5, -1], [0, -1, 0]]`: the identity less the Laplacian.",
        "input x [3, 8, 8]\nfilter(sharpen, pad=1, border=replicate)",
    ),
    of(
        "identity",
        Function::Identity,
        (0, 0),
        "`[[0, 0, 0], [0, 1, 0], [0, 0, 0]]`",
        "input x [3, 8, 8]\nfilter(2 * identity - box(3), pad=1)",
    ),
    of(
        "transpose",
        Function::Transpose,
        (1, 1),
        "A kernel with its rows as columns.",
        "input x [1, 8, 8]\nfilter(transpose(sobel_x), pad=1)",
    ),
    of(
        "flip",
        Function::Flip,
        (1, 1),
        "A kernel turned by 180°.",
        "input x [1, 8, 8]\nfilter(flip(sobel_x), pad=1)",
    ),
];
