//! One operation after the other onto a graph.

use convc::graph::{
    BinaryOp, Border, Conv, ConvTranspose, Coordinates, Nearest, Op, PadMode, Pads, Pool, PoolKind,
    ReduceKind, Resize, ResizeMode, UnaryOp, Value, Window,
};

use super::maker::Maker;

/// Appends the operation of a number; nothing where its sizes do not fit.
pub fn append(m: &mut Maker, which: u64) -> Option<Value> {
    match which {
        0 | 1 => conv(m),
        2 => filter(m),
        3 => conv_transpose(m),
        4 => pool(m),
        5 => reduce(m),
        6 => linear(m),
        7 => unary(m),
        8 | 9 => binary(m),
        10 => prelu(m),
        11 => softmax(m),
        12 => matmul(m),
        13 => concat(m),
        14 => slice(m),
        15 => pad(m),
        16 => resize(m),
        17 => pixel_shuffle(m),
        18 => reshape(m),
        19 => transpose(m),
        20 => norm(m),
        _ => batch_norm(m),
    }
}

/// How many kinds [`append`] knows.
pub const KINDS: u64 = 22;

fn window(m: &mut Maker, size: [u64; 2]) -> Window {
    let c = &mut m.choices;
    let mut axis = |n: u64| {
        let kernel = c.one_of(&[1, 1, 2, 3, 3, 4, 5, n.min(39)]);
        let dilation = c.one_of(&[1, 1, 1, 2, 3, n]);
        let pads = [c.one_of(&[0, 0, 1, 1, 2, n]), c.one_of(&[0, 0, 1, 1, 3, n + 1])];
        (kernel, c.one_of(&[1, 1, 1, 2, 3, 5]), dilation, pads)
    };
    let (h, w) = (axis(size[0]), axis(size[1]));
    Window {
        kernel: [h.0, w.0],
        stride: [h.1, w.1],
        dilation: [h.2, w.2],
        pad: Pads { top: h.3[0], bottom: h.3[1], left: w.3[0], right: w.3[1] },
    }
}

fn size(m: &Maker, x: Value) -> Option<[u64; 3]> {
    m.graph.ty(x).chw()
}

fn border(m: &mut Maker) -> Border {
    m.choices.one_of(&[Border::Zero, Border::Zero, Border::Replicate, Border::Reflect, Border::Wrap])
}

fn groups(m: &mut Maker, channels: u64) -> u64 {
    let divisors: Vec<u64> = (1..=channels).filter(|d| channels.is_multiple_of(*d)).collect();
    let any = m.choices.one_of(&divisors);
    m.choices.one_of(&[1, 1, 1, channels, any])
}

fn outputs(m: &mut Maker) -> u64 {
    m.choices.one_of(&[1, 2, 3, 8, 8, 9, 16, 20, 24])
}

fn with_bias(m: &mut Maker, mut args: Vec<Value>, channels: u64) -> Vec<Value> {
    if m.choices.rarely(2) {
        let bias = m.weight(&[channels]);
        args.push(bias);
    }
    args
}

fn conv(m: &mut Maker) -> Option<Value> {
    let x = m.picture();
    let [c, h, w] = size(m, x)?;
    let mut window = window(m, [h, w]);
    let mut groups = groups(m, c);
    if m.choices.rarely(3) {
        // What Winograd's filtering is for, with any dilation.
        (window.kernel, window.stride, groups) = ([3, 3], [1, 1], 1);
    }
    let out = if groups == 1 { outputs(m) } else { groups * m.choices.one_of(&[1, 1, 2, 3, 8]) };
    let [kh, kw] = window.kernel;
    let weight = m.weight(&[out, c / groups, kh, kw]);
    let args = with_bias(m, vec![x, weight], out);
    let sum = m.magnitude(x) * (c / groups * kh * kw) as f64 + 1.0;
    let border = border(m);
    m.op(Op::Conv(Conv { window, border, groups }), &args, &[], sum)
}

fn filter(m: &mut Maker) -> Option<Value> {
    let x = m.picture();
    let [_, h, w] = size(m, x)?;
    let window = window(m, [h, w]);
    let taps = m.weight(&window.kernel);
    let sum = m.magnitude(x) * (window.kernel[0] * window.kernel[1]) as f64;
    let border = border(m);
    m.op(Op::Filter(window, border), &[x, taps], &[], sum)
}

fn conv_transpose(m: &mut Maker) -> Option<Value> {
    let x = m.picture();
    let [c, h, w] = size(m, x)?;
    let window = window(m, [h, w]);
    let groups = groups(m, c);
    let out = m.choices.one_of(&[1, 2, 3, 8, 11]);
    let [kh, kw] = window.kernel;
    let weight = m.weight(&[c, out, kh, kw]);
    let args = with_bias(m, vec![x, weight], out * groups);
    let output_pad = window.stride.map(|s| m.choices.below(s));
    let sum = m.magnitude(x) * (c / groups * kh * kw) as f64 + 1.0;
    m.op(Op::ConvTranspose(ConvTranspose { window, output_pad, groups }), &args, &[], sum)
}

fn pool(m: &mut Maker) -> Option<Value> {
    let x = m.picture();
    let [_, h, w] = size(m, x)?;
    let mut window = window(m, [h, w]);
    if m.choices.rarely(4) {
        // A global pool.
        window = Window { kernel: [h, w], stride: [1, 1], dilation: [1, 1], pad: Pads::default() };
    }
    let kind = m.choices.one_of(&[
        PoolKind::Max,
        PoolKind::Average { count_include_pad: true },
        PoolKind::Average { count_include_pad: false },
        PoolKind::Lp { p: 1 },
        PoolKind::Lp { p: 2 },
    ]);
    let op = Op::Pool(Pool { kind, window });
    let mut dims = m.inferred(&op, &[x])?;
    if m.choices.rarely(2)
        && let [.., h, w] = dims.as_mut_slice()
    {
        (*h, *w) = (*h + 1, *w + 1);
    }
    let several = if matches!(kind, PoolKind::Lp { .. }) { window.kernel[0] * window.kernel[1] } else { 1 };
    let magnitude = m.magnitude(x) * several as f64;
    m.op(op, &[x], &dims, magnitude)
}

fn axes(m: &mut Maker, rank: usize) -> Vec<usize> {
    (0..rank).filter(|_| m.choices.rarely(2)).collect()
}

fn reduce(m: &mut Maker) -> Option<Value> {
    let x = m.any();
    let dims = m.dims(x);
    let axes = axes(m, dims.len());
    let kind = m.choices.one_of(&[ReduceKind::Sum, ReduceKind::Mean, ReduceKind::Max]);
    let n: u64 = axes.iter().map(|&a| dims[a]).product();
    let magnitude = m.magnitude(x) * if kind == ReduceKind::Sum { n as f64 } else { 1.0 };
    m.op(Op::Reduce(kind, axes), &[x], &[], magnitude)
}

fn linear(m: &mut Maker) -> Option<Value> {
    let x = m.any();
    let features = *m.dims(x).last()?;
    let out = outputs(m);
    let weight = m.weight(&[out, features]);
    let args = with_bias(m, vec![x, weight], out);
    let sum = m.magnitude(x) * features as f64 + 1.0;
    m.op(Op::Linear, &args, &[], sum)
}

fn unary(m: &mut Maker) -> Option<Value> {
    let x = m.any();
    let dims = m.dims(x);
    let op = m.choices.one_of(&[
        UnaryOp::Relu,
        UnaryOp::Neg,
        UnaryOp::Abs,
        UnaryOp::Tanh,
        UnaryOp::Sigmoid,
        UnaryOp::HardSwish,
        UnaryOp::LeakyRelu { slope: 0.2 },
        UnaryOp::Clamp { lo: 0.25, hi: 6.0 },
        UnaryOp::Gelu,
        UnaryOp::HardSigmoid { alpha: 0.2, beta: 0.5 },
    ]);
    let magnitude = m.magnitude(x) + 1.0;
    m.op(Op::Unary(op), &[x], &dims, magnitude)
}

/// Something that goes together with axes: each kept, made 1, or, in front, left out.
fn partner(m: &mut Maker, dims: &[u64], batched: bool) -> Value {
    let skip = m.choices.below(dims.len() as u64 + 1) as usize;
    let skip = if m.choices.rarely(2) { 0 } else { skip };
    let own: Vec<u64> = dims[skip..].iter().map(|&d| if m.choices.rarely(3) { 1 } else { d }).collect();
    m.leaf(&own, batched)
}

fn binary(m: &mut Maker) -> Option<Value> {
    let a = m.any();
    let dims = m.dims(a);
    let b = if m.choices.rarely(3) { m.any() } else { partner(m, &dims, true) };
    let op = m.choices.one_of(&[BinaryOp::Add, BinaryOp::Sub, BinaryOp::Mul, BinaryOp::Min, BinaryOp::Max]);
    let (x, y) = (m.magnitude(a), m.magnitude(b));
    let magnitude = if op == BinaryOp::Mul { x * y } else { x + y };
    let args = if m.choices.rarely(2) { [a, b] } else { [b, a] };
    m.op(Op::Binary(op), &args, &[], magnitude)
}

fn prelu(m: &mut Maker) -> Option<Value> {
    let x = m.any();
    let dims = m.dims(x);
    let channels = match dims.len() {
        0 => 1,
        1 | 2 => dims[dims.len() - 1],
        n => dims[n - 3],
    };
    let n = m.choices.one_of(&[1, channels]);
    let slope = m.weight(&[n]);
    let magnitude = m.magnitude(x);
    m.op(Op::Prelu, &[x, slope], &dims, magnitude)
}

fn axis(m: &mut Maker, rank: usize) -> Option<usize> {
    (rank > 0).then(|| m.choices.below(rank as u64) as usize)
}

fn softmax(m: &mut Maker) -> Option<Value> {
    let x = m.any();
    let dims = m.dims(x);
    let axis = axis(m, dims.len())?;
    if m.choices.rarely(3) {
        let magnitude = 2.0 * m.magnitude(x) + 8.0;
        return m.op(Op::LogSoftmax { axis }, &[x], &dims, magnitude);
    }
    m.op(Op::Softmax { axis }, &[x], &dims, 1.0)
}

fn matmul(m: &mut Maker) -> Option<Value> {
    let x = m.any();
    let dims = m.dims(x);
    let [lead @ .., rows, inner] = dims.as_slice() else { return None };
    let batched = m.batched(x);
    // The other matrix on either side.
    let right = m.choices.rarely(2);
    let other = m.choices.one_of(&[1, 1, 3, 5, 8, 16, 17, 30]);
    let mut own: Vec<u64> = lead.iter().map(|&d| if m.choices.rarely(3) { 1 } else { d }).collect();
    let skip = m.choices.below(lead.len() as u64 + 1) as usize;
    own.drain(..skip);
    if skip == 0 && own.len() < 5 && m.choices.rarely(4) {
        own.insert(0, 2);
    }
    own.extend(if right { [*inner, other] } else { [other, *rows] });
    let y = m.leaf(&own, batched);
    let n = if right { *inner } else { *rows };
    let sum = m.magnitude(x) * n as f64;
    m.op(Op::MatMul, &if right { [x, y] } else { [y, x] }, &[], sum)
}

fn concat(m: &mut Maker) -> Option<Value> {
    let x = m.any();
    let dims = m.dims(x);
    let axis = axis(m, dims.len())?;
    let mut args = vec![x];
    for _ in 0..m.choices.between(0, 3) {
        let mut other = dims.clone();
        other[axis] = m.choices.one_of(&[1, 3, 8, 16, dims[axis]]);
        let same = other == dims && m.choices.rarely(2);
        let mut value = if same { x } else { m.leaf(&other, true) };
        if m.batched(value) != m.batched(x) {
            value = x;
        }
        // Of a convolution's layout, where there is one.
        if other.len() >= 3 && m.choices.rarely(2) {
            let c = other[other.len() - 3];
            let weight = m.weight(&[c, c, 1, 1]);
            let [kernel, stride, dilation] = [[1, 1]; 3];
            let window = Window { kernel, stride, dilation, pad: Pads::default() };
            let op = Op::Conv(Conv { window, border: Border::Zero, groups: 1 });
            value = m.op(op, &[value, weight], &[], c as f64).unwrap_or(value);
        }
        let at = m.choices.below(args.len() as u64 + 1) as usize;
        args.insert(at, value);
    }
    let magnitude = args.iter().map(|a| m.magnitude(*a)).fold(0.0, f64::max);
    m.op(Op::Concat { axis }, &args, &[], magnitude)
}

fn slice(m: &mut Maker) -> Option<Value> {
    let x = m.any();
    let dims = m.dims(x);
    let rank = dims.len();
    let mut out = Vec::new();
    let (mut start, mut step) = (Vec::new(), Vec::new());
    for (axis, &n) in dims.iter().enumerate() {
        let c = &mut m.choices;
        let whole_blocks = axis + 3 == rank && n >= 8 && c.rarely(2);
        let (first, by, len) = match c.below(4) {
            0 | 1 if whole_blocks => {
                let first = 8 * c.below(n / 8);
                let blocks = 8 * c.between(1, (n - first).div_ceil(8));
                (first, 1, blocks.min(n - first))
            }
            0 => {
                let by = c.between(1, 3) as i64;
                let first = c.below(n);
                (first, by, c.between(1, (n - 1 - first) / by as u64 + 1))
            }
            1 => {
                let by = c.between(1, 3);
                let first = c.below(n);
                (first, -(by as i64), c.between(1, first / by + 1))
            }
            2 => (n - 1, -1, n),
            _ => (0, 1, n),
        };
        start.push(first);
        step.push(by);
        out.push(len);
    }
    let magnitude = m.magnitude(x);
    m.op(Op::Slice { start, step }, &[x], &out, magnitude)
}

fn pad(m: &mut Maker) -> Option<Value> {
    let x = m.any();
    let dims = m.dims(x);
    let mode = m.choices.one_of(&[
        PadMode::Constant(0.0),
        PadMode::Constant(-1.5),
        PadMode::Replicate,
        PadMode::Reflect,
        PadMode::Wrap,
    ]);
    let rows_and_columns = m.choices.rarely(3);
    let mut side = |axis: usize, n: u64| {
        if m.choices.rarely(2) || rows_and_columns && axis + 2 < dims.len() {
            return 0;
        }
        let most = match mode {
            PadMode::Constant(_) | PadMode::Replicate => 40,
            PadMode::Reflect => n - 1,
            PadMode::Wrap => n,
        };
        m.choices.one_of(&[1, 1, 2, 3, 40, n]).min(most)
    };
    let before: Vec<u64> = dims.iter().enumerate().map(|(axis, &n)| side(axis, n)).collect();
    let after: Vec<u64> = dims.iter().enumerate().map(|(axis, &n)| side(axis, n)).collect();
    let magnitude = m.magnitude(x) + 1.5;
    m.op(Op::Pad { before, after, mode }, &[x], &[], magnitude)
}

fn resize(m: &mut Maker) -> Option<Value> {
    let x = m.any();
    let mut dims = m.dims(x);
    let [.., h, w] = dims.as_mut_slice() else { return None };
    let mut axis = |n: u64| {
        let out = m.choices.one_of(&[1, n, 2 * n, 3 * n, n.div_ceil(2), n + 2]);
        (out, out as f64 / n as f64)
    };
    let ((oh, sh), (ow, sw)) = (axis(*h), axis(*w));
    (*h, *w) = (oh, ow);
    let exact = m.choices.rarely(2);
    let resize = Resize {
        mode: m.choices.one_of(&[
            ResizeMode::Nearest(Nearest::Floor),
            ResizeMode::Nearest(Nearest::RoundPreferCeil),
            ResizeMode::Linear,
            ResizeMode::Cubic { a: -0.75 },
        ]),
        coordinates: m.choices.one_of(&[
            Coordinates::HalfPixel,
            Coordinates::Asymmetric,
            Coordinates::AlignCorners,
            Coordinates::TfCropAndResize { roi: [[-0.25, 1.0], [0.25, 0.75]], extrapolation: 0.5 },
        ]),
        scale: [sh, sw],
        exclude_outside: !exact && m.choices.rarely(2),
        antialias: !exact && m.choices.rarely(2),
        adjoint: false,
    };
    let magnitude = m.magnitude(x);
    m.op(Op::Resize(resize), &[x], &dims, magnitude)
}

fn pixel_shuffle(m: &mut Maker) -> Option<Value> {
    let x = m.picture();
    let [c, ..] = size(m, x)?;
    let fits: Vec<u64> = (1..5).filter(|r| c.is_multiple_of(r * r)).collect();
    let factor = m.choices.one_of(&fits);
    let magnitude = m.magnitude(x);
    m.op(Op::PixelShuffle { factor }, &[x], &[], magnitude)
}

fn reshape(m: &mut Maker) -> Option<Value> {
    let x = m.any();
    let mut left: u64 = m.dims(x).iter().product();
    let rank = m.choices.below(8) as usize;
    let mut dims = Vec::new();
    for _ in 0..rank {
        let divisors: Vec<u64> = (1..=left).filter(|d| left.is_multiple_of(*d)).collect();
        let dim = m.choices.one_of(&divisors);
        dims.push(dim);
        left /= dim;
    }
    if left > 1 || m.choices.rarely(2) {
        let at = m.choices.below(dims.len() as u64 + 1) as usize;
        dims.insert(at, left);
    }
    let magnitude = m.magnitude(x);
    m.op(Op::Reshape, &[x], &dims, magnitude)
}

fn transpose(m: &mut Maker) -> Option<Value> {
    let x = m.any();
    let rank = m.dims(x).len();
    let mut perm: Vec<usize> = (0..rank).collect();
    for i in (1..rank).rev() {
        perm.swap(i, m.choices.below(i as u64 + 1) as usize);
    }
    let magnitude = m.magnitude(x);
    m.op(Op::Transpose { perm }, &[x], &[], magnitude)
}

/// Over channels and planes, over the last axes, or across channels.
fn norm(m: &mut Maker) -> Option<Value> {
    let x = m.any();
    let dims = m.dims(x);
    let (op, of) = match m.choices.below(3) {
        0 if dims.len() >= 3 => {
            let size = m.choices.between(1, 6);
            let op = Op::Lrn { size, alpha: 0.3, beta: 0.75, k: 1.0 };
            return m.op(op, &[x], &dims, m.magnitude(x));
        }
        0 | 1 => {
            let &channels = dims.get(dims.len().checked_sub(if dims.len() < 3 { 1 } else { 3 })?)?;
            (Op::GroupNorm { groups: groups(m, channels), eps: 0.1 }, vec![channels])
        }
        _ => {
            let axes = m.choices.between(1, dims.len() as u64) as usize;
            let from = dims.len().checked_sub(axes)?;
            (Op::LayerNorm { axes, eps: 0.1 }, dims[from..].to_vec())
        }
    };
    let mut args = vec![x];
    for _ in 0..m.choices.below(3) {
        args.push(m.weight(&of));
    }
    let magnitude = 4.0 * m.magnitude(x) + 1.0;
    m.op(op, &args, &dims, magnitude)
}

fn batch_norm(m: &mut Maker) -> Option<Value> {
    let x = m.any();
    let dims = m.dims(x);
    let channels = match dims.len() {
        0 => return None,
        1 | 2 => dims[dims.len() - 1],
        n => dims[n - 3],
    };
    let mut args = vec![x];
    for _ in 0..3 {
        args.push(m.weight(&[channels]));
    }
    let raw = m.weight(&[channels]);
    let variance = m.op(Op::Unary(UnaryOp::Abs), &[raw], &[channels], 1.0)?;
    args.push(variance);
    let magnitude = 2.0 * m.magnitude(x) + 3.0;
    m.op(Op::BatchNorm { eps: 0.5 }, &args, &dims, magnitude)
}
