//! Transforms products back into outputs: bias, epilogue, and only what lies inside is written.
//!
//! | argument | what                                                              |
//! |----------|-------------------------------------------------------------------|
//! | products | the first tile at the first position                              |
//! | out      | the first tile's first output                                     |
//! | tiles    | how many tiles, along a row                                       |
//! | bias, …  | where there is a bias: its vector; the epilogue's operands        |

use super::chunks::{Cut, chunk_strides, first_tile, packed, tile_strides};
use super::transform::Transform;
use super::{Group, Job};
use crate::kernels::build::KernelBuilder;
use crate::kernels::contract::tile::Extra;
use crate::kernels::ir::{Count, Kernel, LANES, Ptr, Spills, VECTOR_BYTES, VecBinary, Vreg};
use crate::kernels::lower::{LowerError, Lowering, distance};
use crate::kernels::pointwise;
use crate::kernels::step::{Call, CallArg, Nest};
use crate::plan::task::WinogradTile;
use crate::plan::{Operand, Pointwise, View};

/// The way back of the products of a group of panels.
pub(super) struct Gather<'a> {
    pub(super) job: &'a Job<'a>,
    pub(super) group: Group,
    pub(super) cut: [Cut; 5],
}

impl Gather<'_> {
    /// Nests over `[…, picture, tile row, phases, output block]`: whole tile rows, then one that lies partly outside.
    pub(super) fn nests(&self, low: &mut Lowering<'_>) -> Result<Vec<Nest>, LowerError> {
        let [pictures, rows, y, x, columns] = self.cut;
        let m = u64::from(self.job.task.tiles.tile.outputs());
        let split = |cut: Cut| {
            let whole = cut.size - u64::from(cut.edge.is_some());
            [(0, whole, m), (whole, cut.size - whole, cut.edge.unwrap_or(0))]
        };
        let mut nests = Vec::new();
        for (row, count, height) in split(rows).into_iter().filter(|part| part.1 > 0) {
            let mut calls = Vec::new();
            for (column, tiles, width) in split(columns).into_iter().filter(|part| part.1 > 0) {
                calls.push(self.call([row, column], tiles, [height, width], low)?);
            }
            nests.push(Nest::new(vec![pictures.size, count, y.size, x.size, self.group.blocks], calls));
        }
        Ok(nests)
    }

    /// Tiles from `at` (row and column in the chunk) on, of whose outputs `size` rows and columns are inside.
    fn call(
        &self,
        at: [u64; 2],
        tiles: u64,
        size: [u64; 2],
        low: &mut Lowering<'_>,
    ) -> Result<Call, LowerError> {
        let Gather { job, cut, .. } = self;
        let (task, out) = (job.task, &job.out);
        let m = i64::from(task.tiles.tile.outputs());
        let [down, across] = task.tiles.dilation.map(i64::from);
        let extras: Vec<View> = task
            .epilogue
            .expr
            .iter()
            .flat_map(|e| &e.inputs)
            .filter_map(|input| match input {
                Operand::Buffer(id) => Some(low.view(*id)),
                Operand::Sum => None,
            })
            .collect();
        let kinds =
            extras.iter().map(|view| Extra::of(view, out)).collect::<Result<Vec<Extra>, LowerError>>()?;
        let [_, tile_row, .., tile] = packed(*cut);
        let mut args = vec![
            job.products_arg(
                at[0] as i64 * tile_row + at[1] as i64 * tile,
                &[&packed(*cut)[..4], &[job.chunks.block()]].concat(),
            ),
            self.out_arg(out, at),
            CallArg::Int(tiles as i64),
        ];
        if let Some(bias) = task.bias {
            args.push(self.channel_arg(&low.view(bias)));
        }
        let mut rows = Vec::new();
        for (view, kind) in extras.iter().zip(&kinds) {
            args.push(match kind {
                Extra::Full => self.out_arg(view, at),
                Extra::Channel => self.channel_arg(view),
                Extra::Scalar => view.arg(0, &[0; 11]),
            });
            rows.push(distance(view.strides[2] * down)?);
            distance(view.strides[2] * down * m)?;
        }
        distance(out.strides[2] * down * m)?;
        distance(VECTOR_BYTES * across * m)?;
        let spec = Spec {
            tile: task.tiles.tile,
            size,
            pitch: distance(task.tiles.pitch(job.held) as i64)?,
            out_row: distance(out.strides[2] * down)?,
            column: distance(VECTOR_BYTES * across)?,
            bias: task.bias.is_some(),
            extras: kinds.into_iter().zip(rows).collect(),
            expr: task.epilogue.expr.as_ref(),
        };
        Ok(Call { kernel: low.kernel(spec.kernel()), args })
    }

    /// A buffer of the output's shape.
    fn out_arg(&self, view: &View, at: [u64; 2]) -> CallArg {
        let Gather { job, group, cut } = self;
        let tiles = &job.task.tiles;
        let steps = tile_strides(view, tiles);
        let [_, row, .., column] = steps;
        let start = first_tile(*cut, view, tiles) + at[0] as i64 * row + at[1] as i64 * column;
        let plane = view.strides[1];
        view.arg(
            start + group.first as i64 * plane,
            &[&chunk_strides(*cut, steps)[..], &[group.blocks as i64 * plane], &steps[..4], &[plane]]
                .concat(),
        )
    }

    /// One vector for each block of channels.
    fn channel_arg(&self, view: &View) -> CallArg {
        let plane = view.strides[1];
        let Group { first, blocks, .. } = self.group;
        view.arg(first as i64 * plane, &[&[0; 5][..], &[blocks as i64 * plane], &[0; 4], &[plane]].concat())
    }
}

/// What a kernel is specialised on.
struct Spec<'a> {
    tile: WinogradTile,
    /// Rows and columns of a tile that are written.
    size: [u64; 2],
    /// Bytes from one position to the next.
    pitch: i32,
    /// Bytes from one of a tile's rows of out to the next.
    out_row: i32,
    /// And from one of its columns, also of the epilogue's operands.
    column: i32,
    bias: bool,
    /// The epilogue's operands with the bytes from one of a tile's rows to the next.
    extras: Vec<(Extra, i32)>,
    expr: Option<&'a Pointwise>,
}

impl Spec<'_> {
    fn kernel(&self) -> Kernel {
        let [height, width] = self.size;
        let m = self.tile.outputs();
        let column = self.column;
        let mut k = KernelBuilder::new(format!("winograd{m}_gather{height}x{width}"));
        let (products, out, tiles) = (k.ptr_arg(), k.ptr_arg(), k.int_arg());
        let bias = self.bias.then(|| k.ptr_arg());
        let extras: Vec<(Extra, i32, Ptr)> =
            self.extras.iter().map(|&(extra, row)| (extra, row, k.ptr_arg())).collect();
        let transform = Transform::output(&mut k, self.tile);
        let inputs = self.tile.inputs() as usize;
        k.repeat(Count::Int(tiles), |k| {
            let mut columns = Vec::new();
            for j in 0..inputs {
                let from: Vec<_> = (0..inputs)
                    .map(|i| k.load(products.at((i * inputs + j) as i32 * self.pitch), LANES))
                    .collect();
                columns.push(transform.apply(k, &from));
            }
            for i in 0..height as usize {
                let from: Vec<_> = columns.iter().map(|column| column[i]).collect();
                let sums = transform.apply(k, &from);
                for (j, sum) in sums.into_iter().take(width as usize).enumerate() {
                    let at = |row: i32| i as i32 * row + j as i32 * column;
                    let sum = match bias {
                        Some(bias) => k.binary(VecBinary::Add, sum, bias.at(0)),
                        None => sum,
                    };
                    let result = self.epilogue(k, sum, &extras, at);
                    k.store(out.at(at(self.out_row)), result, LANES);
                }
            }
            k.advance(products, VECTOR_BYTES as i32);
            k.advance(out, m as i32 * column);
            for &(extra, _, ptr) in &extras {
                if extra == Extra::Full {
                    k.advance(ptr, m as i32 * column);
                }
            }
        });
        k.finish(Spills::Allowed)
    }

    /// The epilogue of the output that lies at `at(bytes of a row)` in a tile.
    fn epilogue(
        &self,
        k: &mut KernelBuilder,
        sum: Vreg,
        extras: &[(Extra, i32, Ptr)],
        at: impl Fn(i32) -> i32,
    ) -> Vreg {
        let Some(expr) = self.expr else { return sum };
        pointwise::emit_expr(k, expr, |k, input| {
            let before = expr.inputs.iter().take(input);
            let nth = before.filter(|i| matches!(i, Operand::Buffer(_))).count();
            match (expr.inputs.get(input), extras.get(nth)) {
                (Some(Operand::Buffer(_)), Some(&(extra, row, ptr))) => match extra {
                    Extra::Full => k.load(ptr.at(at(row)), LANES),
                    Extra::Channel => k.load(ptr.at(0), LANES),
                    Extra::Scalar => k.load_splat(ptr.at(0)),
                },
                _ => sum,
            }
        })
    }
}
