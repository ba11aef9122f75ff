//! The buffers of a plan while it is made: which value lies where, in which forms.

use std::collections::HashMap;

use super::build::PlanError;
use super::dims::dims4;
use super::task::StridedCopy;
use super::{Buffer, BufferId, Fill, Halo, Layout, LayoutKind, Phase, Task, TaskKind, View};
use crate::graph::{Graph, Value};
use crate::kernels::step::Base;

/// The number of the first run task when tasks are counted for lifetimes: behind every prepare task.
pub(super) const RUN: usize = usize::MAX / 2;

/// A piece of memory that buffers lie in, and for how long it is needed.
#[derive(Clone, Debug)]
pub(super) struct Storage {
    /// Fixed for the caller's memory and for constants; offsets in `Packed` and `Arena` are given at the end.
    pub(super) base: Base,
    pub(super) bytes: u64,
    /// The first and the last task that touches it, prepare tasks counted before run tasks as [`RUN`] says.
    pub(super) lifetime: Option<(usize, usize)>,
}

/// A form in which a value is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Form {
    pub(super) dims: [u64; 4],
    pub(super) layout: Layout,
    /// Whether more halo than asked for is unwelcome: elements must be adjacent.
    pub(super) exact: bool,
}

/// Buffers, storages and tasks as they come.
pub(super) struct Values<'g> {
    pub(super) graph: &'g Graph,
    phases: Vec<Phase>,
    /// The halo that a value's own buffer should have.
    halos: Vec<Halo>,
    pub(super) buffers: Vec<Buffer>,
    /// The storage of each buffer, and where in it the buffer begins.
    pub(super) places: Vec<(usize, u64)>,
    pub(super) storages: Vec<Storage>,
    pub(super) consts: Vec<u8>,
    pub(super) prepare: Vec<Task>,
    pub(super) run: Vec<Task>,
    own: Vec<Option<BufferId>>,
    forms: HashMap<(Value, Form), BufferId>,
    /// The output that each value may be written to directly.
    outputs: Vec<Option<u32>>,
}

impl<'g> Values<'g> {
    pub(super) fn new(graph: &'g Graph, phases: Vec<Phase>, halos: Vec<Halo>) -> Self {
        let mut outputs = vec![None; graph.nodes.len()];
        for (i, output) in graph.outputs.iter().enumerate() {
            outputs[output.value.index()].get_or_insert(i as u32);
        }
        Values {
            graph,
            phases,
            halos,
            buffers: Vec::new(),
            places: Vec::new(),
            storages: Vec::new(),
            consts: Vec::new(),
            prepare: Vec::new(),
            run: Vec::new(),
            own: vec![None; graph.nodes.len()],
            forms: HashMap::new(),
            outputs,
        }
    }

    pub(super) fn phase(&self, value: Value) -> Phase {
        self.phases[value.index()]
    }

    pub(super) fn view(&self, id: BufferId) -> View {
        self.buffers[id.0 as usize].view()
    }

    /// Appends a task and extends the lifetimes of what it touches.
    pub(super) fn push(&mut self, phase: Phase, task: Task) {
        let now = match phase {
            Phase::Prepare => self.prepare.len(),
            Phase::Run => RUN + self.run.len(),
        };
        let mut touched = task.kind.reads();
        touched.push(task.out);
        for id in touched {
            let storage = &mut self.storages[self.places[id.0 as usize].0];
            // Tasks of both phases come interleaved: a later one may be due earlier.
            let (first, last) = storage.lifetime.unwrap_or((now, now));
            storage.lifetime = Some((first.min(now), last.max(now)));
        }
        match phase {
            Phase::Prepare => self.prepare.push(task),
            Phase::Run => self.run.push(task),
        }
    }

    /// Takes back the last run task, which alone touches the buffer that it makes: another one makes its own of it.
    pub(super) fn take_back(&mut self, out: BufferId) {
        self.run.pop();
        self.storages[self.places[out.0 as usize].0].lifetime = None;
    }

    fn add(&mut self, buffer: Buffer, storage: usize, at: u64) -> BufferId {
        self.buffers.push(buffer);
        self.places.push((storage, at));
        BufferId(self.buffers.len() as u32 - 1)
    }

    /// A buffer in memory of its own.
    pub(super) fn buffer(
        &mut self,
        base: Base,
        value: Option<Value>,
        dims: [u64; 4],
        layout: Layout,
    ) -> BufferId {
        let buffer = Buffer { value, dims, layout, base, offset: 0, kept: None };
        self.storages.push(Storage { base, bytes: buffer.bytes(), lifetime: None });
        self.add(buffer, self.storages.len() - 1, 0)
    }

    /// A new buffer of a phase's own memory.
    pub(super) fn fresh(
        &mut self,
        phase: Phase,
        value: Option<Value>,
        dims: [u64; 4],
        layout: Layout,
    ) -> BufferId {
        let base = match phase {
            Phase::Prepare => Base::Packed,
            Phase::Run => Base::Arena,
        };
        self.buffer(base, value, dims, layout)
    }

    /// The same memory under other axes. Only of dense planar buffers.
    pub(super) fn alias(&mut self, of: BufferId, value: Option<Value>, dims: [u64; 4]) -> BufferId {
        self.alias_in(LayoutKind::Planar, of, value, dims)
    }

    /// The same memory as rows of whole blocks, `[rows, columns, 1, 1]`. Only of dense planar buffers,
    /// and of multiples of 8 columns.
    pub(super) fn alias_rows(&mut self, of: BufferId, [rows, columns]: [u64; 2]) -> BufferId {
        self.alias_in(LayoutKind::Blocked, of, None, [rows, columns, 1, 1])
    }

    fn alias_in(&mut self, kind: LayoutKind, of: BufferId, value: Option<Value>, dims: [u64; 4]) -> BufferId {
        let (storage, at) = self.places[of.0 as usize];
        let base = self.buffers[of.0 as usize].base;
        let layout = Layout { kind, halo: Halo::NONE };
        self.add(Buffer { value, dims, layout, base, offset: 0, kept: None }, storage, at)
    }

    /// The same memory from element `offset` (in bytes) on, as a value whose elements lie as far apart.
    /// Not of the caller's memory.
    pub(super) fn part(
        &mut self,
        of: BufferId,
        value: Option<Value>,
        dims: [u64; 4],
        offset: u64,
    ) -> BufferId {
        let (storage, at) = self.places[of.0 as usize];
        let Buffer { base, layout, .. } = self.buffers[of.0 as usize];
        self.add(Buffer { value, dims, layout, base, offset: 0, kept: None }, storage, at + offset)
    }

    /// A buffer together with its halo, as a buffer without one.
    pub(super) fn unframed(&mut self, of: BufferId, value: Value, dims: [u64; 4]) -> BufferId {
        let (storage, at) = self.places[of.0 as usize];
        let Buffer { base, layout, .. } = self.buffers[of.0 as usize];
        let layout = Layout { kind: layout.kind, halo: Halo::NONE };
        self.add(Buffer { value: Some(value), dims, layout, base, offset: 0, kept: None }, storage, at)
    }

    /// Constants in memory, as a dense buffer.
    pub(super) fn constant(&mut self, value: Option<Value>, dims: [u64; 4], data: &[f32]) -> BufferId {
        self.consts.resize(self.consts.len().next_multiple_of(64), 0);
        let at = self.consts.len() as u64;
        self.consts.extend(data.iter().flat_map(|x| x.to_le_bytes()));
        self.storages.push(Storage { base: Base::Consts, bytes: 4 * data.len() as u64, lifetime: None });
        let buffer = Buffer { value, dims, layout: Layout::DENSE, base: Base::Consts, offset: 0, kept: None };
        self.add(buffer, self.storages.len() - 1, at)
    }

    /// Says where a value lies.
    pub(super) fn set_own(&mut self, value: Value, id: BufferId) {
        self.own[value.index()] = Some(id);
    }

    /// The buffer that a task is to write a value to: the caller's output where it can be, with the
    /// halo that the value's readers want. `finish_own` fills that halo.
    pub(super) fn make_own(&mut self, value: Value, kind: LayoutKind) -> BufferId {
        let dims = dims4(self.graph.ty(value));
        let halo = self.halos[value.index()];
        let layout = Layout { kind, halo };
        let id = match self.outputs[value.index()] {
            Some(output)
                if kind == LayoutKind::Planar && halo.is_none() && self.phase(value) == Phase::Run =>
            {
                self.buffer(Base::Output(output), Some(value), dims, layout)
            }
            _ => self.fresh(self.phase(value), Some(value), dims, layout),
        };
        self.set_own(value, id);
        id
    }

    /// Fills the halo of a value's own buffer once it is written.
    pub(super) fn finish_own(&mut self, value: Value, name: &str) {
        if let Some(id) = self.own[value.index()] {
            self.fill(self.phase(value), id, name);
        }
    }

    fn fill(&mut self, phase: Phase, id: BufferId, name: &str) {
        let halo = self.buffers[id.0 as usize].layout.halo;
        if !halo.is_none() {
            let kind = TaskKind::FillHalo(halo.fill);
            let reason = format!("{} around it", halo.fill.words());
            self.push(phase, Task { name: name.to_owned(), kind, out: id, reason });
        }
    }

    /// A value's own buffer, once it is made.
    pub(super) fn own(&self, value: Value) -> Option<BufferId> {
        self.own[value.index()]
    }

    /// The halo that a value's readers want.
    pub(super) fn wanted(&self, value: Value) -> Halo {
        self.halos[value.index()]
    }

    /// The value in a form; made by a copy or a conversion where it does not lie so already.
    pub(super) fn need(&mut self, value: Value, form: Form) -> Result<BufferId, PlanError> {
        let own = self.own[value.index()].ok_or(PlanError::Bug("a value is read before it is made"))?;
        let have = self.buffers[own.0 as usize].clone();
        if have.dims == form.dims && have.layout.kind == form.layout.kind && covers(have.layout.halo, form) {
            return Ok(own);
        }
        if let Some(&id) = self.forms.get(&(value, form)) {
            return Ok(id);
        }
        let source = if have.dims == form.dims {
            own
        } else if have.layout == Layout::DENSE {
            self.alias(own, Some(value), form.dims)
        } else {
            let dense = Form { dims: have.dims, layout: Layout::DENSE, exact: true };
            let dense = self.need(value, dense)?;
            self.alias(dense, Some(value), form.dims)
        };
        let have = self.buffers[source.0 as usize].layout;
        let id = if have.kind == form.layout.kind && covers(have.halo, form) {
            source
        } else {
            self.reform(value, source, form)
        };
        self.forms.insert((value, form), id);
        Ok(id)
    }

    /// A copy of a buffer in another layout.
    fn reform(&mut self, value: Value, source: BufferId, form: Form) -> BufferId {
        let phase = self.phase(value);
        let name = self.graph.node(value).name.clone();
        let out = self.fresh(phase, Some(value), form.dims, form.layout);
        let have = self.buffers[source.0 as usize].layout.kind;
        let (kind, reason) = if have == form.layout.kind {
            (TaskKind::Copy(self.inside(source, out)), "a reader wants another border".to_owned())
        } else {
            let words = match form.layout.kind {
                LayoutKind::Blocked => "planes into blocks of channels",
                LayoutKind::Planar => "blocks of channels into planes",
            };
            (TaskKind::Convert { x: source }, words.to_owned())
        };
        self.push(phase, Task { name: name.clone(), kind, out, reason });
        self.fill(phase, out, &name);
        out
    }

    /// All elements of a buffer, without its halo.
    pub(super) fn inside(&self, x: BufferId, out: BufferId) -> StridedCopy {
        let (from, to) = (self.view(x), self.view(out));
        StridedCopy {
            x,
            dims: vec![from.dims[0], from.planes(), from.dims[2], from.dims[3]],
            x_offset: 0,
            x_strides: from.strides.to_vec(),
            out_offset: 0,
            out_strides: to.strides.to_vec(),
            vector: from.kind == LayoutKind::Blocked,
        }
    }

    /// A value as planes without anything between or around them.
    pub(super) fn dense(&mut self, value: Value) -> Result<BufferId, PlanError> {
        let dims = dims4(self.graph.ty(value));
        self.need(value, Form { dims, layout: Layout::DENSE, exact: true })
    }

    /// A value in a layout kind, whatever its halo.
    pub(super) fn in_kind(&mut self, value: Value, kind: LayoutKind) -> Result<BufferId, PlanError> {
        let dims = dims4(self.graph.ty(value));
        self.need(value, Form { dims, layout: Layout { kind, halo: Halo::NONE }, exact: false })
    }

    /// Copies what an output still lacks into the caller's memory.
    pub(super) fn write_outputs(&mut self) -> Result<(), PlanError> {
        for (i, output) in self.graph.outputs.iter().enumerate() {
            let own = self.own[output.value.index()].ok_or(PlanError::Bug("an output is never made"))?;
            let have = &self.buffers[own.0 as usize];
            if have.base == Base::Output(i as u32) {
                continue;
            }
            let (kind, dims) = (have.layout.kind, have.dims);
            let out = self.buffer(Base::Output(i as u32), Some(output.value), dims, Layout::DENSE);
            let kind = match kind {
                LayoutKind::Planar => TaskKind::Copy(self.inside(own, out)),
                LayoutKind::Blocked => TaskKind::Convert { x: own },
            };
            let task =
                Task { name: output.name.clone(), kind, out, reason: "the caller's output".to_owned() };
            self.push(Phase::Run, task);
        }
        Ok(())
    }
}

/// Whether a halo serves a form.
fn covers(have: Halo, form: Form) -> bool {
    let want = form.layout.halo;
    if form.exact && have != want {
        return have.is_none() && want.is_none();
    }
    want.is_none()
        || have.fill == want.fill
            && have.top >= want.top
            && have.bottom >= want.bottom
            && have.left >= want.left
            && have.right >= want.right
}

impl Fill {
    /// In words, for reasons.
    pub(super) fn words(self) -> String {
        match self {
            Fill::Zero => "zeros".to_owned(),
            Fill::NegInfinity => "−∞".to_owned(),
            Fill::Constant(bits) => format!("{}", f32::from_bits(bits)),
            Fill::Replicate => "the nearest elements".to_owned(),
            Fill::Reflect => "mirrored elements".to_owned(),
            Fill::Wrap => "the opposite side".to_owned(),
        }
    }
}
