//! Views of axes that several operations share.

/// `[…, C, H, W]` as the product of the axes before the last three, and those three; missing ones count 1.
pub(super) fn planes(dims: &[usize]) -> (usize, [usize; 3]) {
    let axis = |back: usize| dims.len().checked_sub(back).and_then(|i| dims.get(i)).copied().unwrap_or(1);
    let before = dims.len().saturating_sub(3);
    (dims[..before].iter().product(), [axis(3), axis(2), axis(1)])
}

/// The axes before, at and after one, each as a product.
pub(super) fn around(dims: &[usize], axis: usize) -> [usize; 3] {
    [dims[..axis].iter().product(), dims[axis], dims[axis + 1..].iter().product()]
}

/// The axis of channels: third from the end, or the last where there are fewer than three.
pub(super) fn channel_axis(dims: &[usize]) -> usize {
    match dims.len() {
        rank @ 3.. => rank - 3,
        rank => rank.saturating_sub(1),
    }
}

/// Row-major strides of `dims`, in elements.
pub(super) fn strides(dims: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; dims.len()];
    for axis in (1..dims.len()).rev() {
        strides[axis - 1] = strides[axis] * dims[axis];
    }
    strides
}

/// Calls `visit` with every index of `dims`, in row-major order.
pub(super) fn each_index(dims: &[usize], mut visit: impl FnMut(&[usize])) {
    if dims.contains(&0) {
        return;
    }
    let mut index = vec![0; dims.len()];
    loop {
        visit(&index);
        let Some(axis) = (0..dims.len()).rev().find(|&axis| index[axis] + 1 < dims[axis]) else { return };
        index[axis] += 1;
        index[axis + 1..].fill(0);
    }
}
