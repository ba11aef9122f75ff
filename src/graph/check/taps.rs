//! Taps: literals, named kernels, built-ins, and their arithmetic.

use std::rc::Rc;

use super::numbers::{arithmetic, exp};
use super::scope::{Checker, Progress, Scope};
use super::settings::Settings;
use super::table::Function;
use super::thing::{Item, Taps, Thing};
use crate::diag::{Code, Diagnostic};
use crate::limits;
use crate::source::Span;
use crate::syntax::ast::{BinaryOp, Expr, ExprKind};

impl Taps {
    fn square(size: u64, data: Vec<f64>) -> Taps {
        Taps { dims: vec![size, size], data }
    }

    /// Rows and columns exchanged.
    fn transposed(&self) -> Taps {
        let (mut dims, rank) = (self.dims.clone(), self.dims.len());
        let [.., h, w] = *dims.as_slice() else { return self.clone() };
        dims.swap(rank - 2, rank - 1);
        let (h, w) = (h as usize, w as usize);
        let mut data = Vec::with_capacity(self.data.len());
        for plane in self.data.chunks_exact((h * w).max(1)) {
            data.extend((0..w * h).map(|i| plane[(i % h) * w + i / h]));
        }
        Taps { dims, data }
    }

    /// Turned by 180°: rows and columns reversed.
    pub fn flipped(&self) -> Taps {
        let plane = self.dims.iter().rev().take(2).product::<u64>().max(1) as usize;
        let data = self.data.chunks_exact(plane).flat_map(|p| p.iter().rev().copied()).collect();
        Taps { dims: self.dims.clone(), data }
    }
}

impl<'a> Checker<'a> {
    /// Taps where taps are wanted: the names of kernels go before those of values.
    pub fn taps(&mut self, expr: &'a Expr) -> Option<Rc<Taps>> {
        let thing = match self.kernel_name(expr) {
            Some(thing) => thing,
            None => self.eval(expr, false),
        };
        self.taps_of(&thing, expr.span)
    }

    /// A kernel of the file or the language that a plain name stands for, unless a parameter hides it.
    fn kernel_name(&mut self, expr: &Expr) -> Option<Thing> {
        let ExprKind::Name(name) = &expr.kind else { return None };
        let text = name.as_plain()?;
        let hidden = self.scope.names.get(text).is_some_and(|b| !matches!(b.thing, Thing::Value(_)));
        if hidden { None } else { self.kernel(text, expr.span) }
    }

    /// The kernel of that name.
    pub fn kernel(&mut self, name: &str, span: Span) -> Option<Thing> {
        if let Some(state) = self.kernels.get_mut(name) {
            state.used = true;
            return Some(self.named_kernel(name, span).map_or(Thing::Unknown, Thing::Taps));
        }
        let function = super::table::function(name)?;
        built_in(function.function).map(|taps| Thing::Taps(Rc::new(taps)))
    }

    fn named_kernel(&mut self, name: &str, span: Span) -> Option<Rc<Taps>> {
        let state = self.kernels.get_mut(name)?;
        match &state.taps {
            Progress::Done(taps) => return taps.clone(),
            Progress::Busy => {
                let diagnostic =
                    Diagnostic::error(Code::RecursiveBlock, span, format!("the kernel `{name}` uses itself"));
                let place = state.def.name.span;
                self.report(diagnostic.also(place, "it is defined here"));
                return None;
            }
            Progress::Open => {}
        }
        let def = state.def;
        state.taps = Progress::Busy;
        let contexts = std::mem::take(&mut self.contexts);
        let taps = if self.deeper(span) {
            let (taps, _) = self.in_scope(Scope::new(String::new()), |checker| checker.taps(&def.value));
            self.budget.depth -= 1;
            taps
        } else {
            None
        };
        self.contexts = contexts;
        if let Some(state) = self.kernels.get_mut(name) {
            state.taps = Progress::Done(taps.clone());
        }
        taps
    }

    /// Computes the kernels that nothing has asked for, so that their mistakes are found too.
    pub fn compute_kernels(&mut self) {
        let all: Vec<(&'a str, Span)> = self.kernels.iter().map(|(&n, k)| (n, k.def.name.span)).collect();
        for (name, span) in all {
            self.named_kernel(name, span);
        }
    }

    /// Something evaluated already as taps.
    pub fn taps_of(&mut self, thing: &Thing, span: Span) -> Option<Rc<Taps>> {
        match thing {
            Thing::Unknown => None,
            Thing::Taps(taps) => Some(Rc::clone(taps)),
            Thing::List(items) => self.literal(items, span).map(Rc::new),
            other => {
                let text = format!("a kernel is needed, and this is {}", other.describe());
                let diagnostic = Diagnostic::error(Code::WrongKind, span, text);
                let diagnostic = match other {
                    Thing::Int(_) | Thing::Num(_) => {
                        diagnostic.help("`box(3)` or `[[1, 2], [3, 4]]` are kernels")
                    }
                    Thing::Value(_) => diagnostic
                        .help("the axes of a value change places by `permute([0, 2, 1])`, and `slice(axis=2, step=-1)` turns one around"),
                    _ => diagnostic,
                };
                self.report(diagnostic);
                None
            }
        }
    }

    /// `[[…], …]` or `[[[[…]]]]`: rows of equal length.
    fn literal(&mut self, items: &[Item], span: Span) -> Option<Taps> {
        let mut depth = 1;
        let mut first = items.first();
        while let Some(Item { thing: Thing::List(inner), .. }) = first {
            depth += 1;
            first = inner.first();
        }
        if depth != 2 && depth != 4 {
            let text = match depth {
                1 => "a kernel has rows, and this is one list",
                3 => "a kernel has two axes, or four with channels, and this has three",
                _ => "a kernel has two axes, or four with channels",
            };
            let diagnostic = Diagnostic::error(Code::BadTaps, span, text);
            let diagnostic = match depth {
                1 => diagnostic.help("a row is `[[1, 2, 1]]`, a column `[[1], [2], [1]]`"),
                _ => diagnostic.help("`[[…], …]` is [kh, kw], `[[[[…]]]]` is [out, in/groups, kh, kw]"),
            };
            self.report(diagnostic);
            return None;
        }
        let mut taps = Taps { dims: Vec::new(), data: Vec::new() };
        let mut lengths = vec![None; depth];
        let ok = self.rows(items, span, 0, &mut lengths, &mut taps.data);
        taps.dims = lengths.into_iter().flatten().collect();
        (ok && taps.dims.len() == depth && self.spend_taps(taps.data.len(), span)).then_some(taps)
    }

    fn rows(
        &mut self,
        items: &[Item],
        span: Span,
        level: usize,
        lengths: &mut [Option<u64>],
        data: &mut Vec<f64>,
    ) -> bool {
        let Some(length) = lengths.get(level).copied() else { return false };
        let count = items.len() as u64;
        if count == 0 {
            self.error(Code::BadTaps, span, "this list is empty");
            return false;
        }
        if let Some(first) = length.filter(|&l| l != count) {
            let (it, of) = if level + 1 == lengths.len() { ("row", "taps") } else { ("list", "elements") };
            let text = format!("this {it} has {count} {of}, the first has {first}");
            self.report(
                Diagnostic::error(Code::BadTaps, span, text).help("all rows of a kernel are equally long"),
            );
            return false;
        }
        if let Some(slot) = lengths.get_mut(level) {
            *slot = Some(count);
        }
        let innermost = level + 1 == lengths.len();
        let mut ok = true;
        for item in items {
            match (&item.thing, item.thing.number()) {
                (Thing::List(inner), _) if !innermost => {
                    ok &= self.rows(inner, item.span, level + 1, lengths, data);
                }
                (_, Some(value)) if innermost => {
                    if data.len() >= limits::TAPS {
                        let text = format!("the kernel has more than {} taps, the limit", limits::TAPS);
                        self.error(Code::TooManyTaps, item.span, text);
                        return false;
                    }
                    ok &= self.narrow(value, item.span).is_some();
                    data.push(value);
                }
                (Thing::Unknown, _) => ok = false,
                (other, _) => {
                    let wanted = if innermost { "a number" } else { "a list" };
                    let text = format!("{wanted} must stand here, and this is {}", other.describe());
                    self.error(Code::BadTaps, item.span, text);
                    ok = false;
                }
            }
        }
        ok
    }

    /// A number as f32; reports it if it is too large.
    pub fn narrow(&mut self, value: f64, span: Span) -> Option<f32> {
        let narrow = value as f32;
        if narrow.is_finite() {
            return Some(narrow);
        }
        self.error(Code::Overflow, span, format!("{value} is too large for a 32-bit float"));
        None
    }

    /// A built-in kernel or a function of kernels.
    pub fn taps_function(
        &mut self,
        function: Function,
        settings: &Settings,
        operand: Option<Rc<Taps>>,
        span: Span,
    ) -> Thing {
        let made = match function {
            Function::Transpose => operand.map(|taps| taps.transposed()),
            Function::Flip => operand.map(|taps| taps.flipped()),
            Function::Gaussian => self.gaussian(settings),
            Function::Box => settings.whole("size", 1u64).and_then(|size| {
                let count = self.side(size, settings.span("size"))?;
                Some(Taps::square(size, vec![1.0 / (count as f64); count]))
            }),
            other => built_in(other),
        };
        match made {
            Some(taps) if self.spend_taps(taps.data.len(), span) => Thing::Taps(Rc::new(taps)),
            _ => Thing::Unknown,
        }
    }

    /// The taps of a square of that side, within the limit.
    fn side(&mut self, size: u64, span: Span) -> Option<usize> {
        let count = size.checked_mul(size).and_then(|n| usize::try_from(n).ok());
        match count.filter(|&n| n <= limits::TAPS) {
            Some(count) => Some(count),
            None => {
                let text =
                    format!("a kernel of {size}×{size} has more than {} taps, the limit", limits::TAPS);
                self.error(Code::TooManyTaps, span, text);
                None
            }
        }
    }

    /// `exp(−(x² + y²)/(2σ²))`, divided by the sum; one exponential for each row and column.
    fn gaussian(&mut self, settings: &Settings) -> Option<Taps> {
        let size = settings.whole("size", 1u64);
        let default = size.map(|size| 0.3 * ((size as f64 - 1.0) * 0.5 - 1.0) + 0.8);
        let sigma = if settings.given("sigma") { settings.number("sigma", 0.0) } else { default };
        if let Some(sigma) = sigma.filter(|&s| s <= 0.0) {
            let text = format!("`sigma` must be above 0, and this is {sigma}");
            self.error(Code::OutOfRange, settings.span("sigma"), text);
            return None;
        }
        let (size, sigma) = (size?, sigma?);
        if size % 2 == 0 {
            let text = format!("a Gaussian has a centre: `size` must be odd, and this is {size}");
            let diagnostic = Diagnostic::error(Code::OutOfRange, settings.span("size"), text);
            self.report(
                diagnostic.help(format!("`gaussian({})` is the next larger", size.saturating_add(1))),
            );
            return None;
        }
        self.side(size, settings.span("size"))?;
        let half = (size as f64 - 1.0) / 2.0;
        let row: Vec<f64> = (0..size)
            .map(|i| {
                let x = i as f64 - half;
                exp(-(x * x) / (2.0 * sigma * sigma))
            })
            .collect();
        let sum: f64 = row.iter().sum();
        let row: Vec<f64> = row.iter().map(|v| v / sum).collect();
        let data = row.iter().flat_map(|y| row.iter().map(move |x| y * x)).collect();
        Some(Taps::square(size, data))
    }

    /// `sobel_x / 8`, `2 * identity - box(3)`: tap by tap.
    pub fn taps_arithmetic(&mut self, op: BinaryOp, a: &Thing, b: &Thing, span: Span) -> Thing {
        let (dims, count) = match (a, b) {
            (Thing::Taps(x), Thing::Taps(y)) if x.dims != y.dims => {
                let text = format!("kernels of {:?} and {:?} do not go together", x.dims, y.dims);
                self.error(Code::BadTaps, span, text);
                return Thing::Unknown;
            }
            (Thing::Taps(t), _) | (_, Thing::Taps(t)) => (t.dims.clone(), t.data.len()),
            _ => return Thing::Unknown,
        };
        if !self.spend_taps(count, span) {
            return Thing::Unknown;
        }
        let at = |thing: &Thing, i: usize| match thing {
            Thing::Taps(t) => Thing::Num(t.data.get(i).copied().unwrap_or(0.0)),
            other => Thing::Num(other.number().unwrap_or(0.0)),
        };
        let mut data = Vec::with_capacity(count);
        for i in 0..count {
            let (x, y) = (at(a, i), at(b, i));
            match arithmetic(op, &x, &y) {
                Some(Ok(value)) => data.push(value.number().unwrap_or(0.0)),
                Some(Err(failure)) => {
                    self.arithmetic_failed(failure, &x, op, &y, span);
                    return Thing::Unknown;
                }
                None => return Thing::Unknown,
            }
        }
        Thing::Taps(Rc::new(Taps { dims, data }))
    }
}

/// The kernels without settings.
fn built_in(function: Function) -> Option<Taps> {
    let data: [f64; 9] = match function {
        Function::SobelX => [-1., 0., 1., -2., 0., 2., -1., 0., 1.],
        Function::SobelY => [-1., -2., -1., 0., 0., 0., 1., 2., 1.],
        Function::Laplacian => [0., 1., 0., 1., -4., 1., 0., 1., 0.],
        Function::Sharpen => [0., -1., 0., -1., 5., -1., 0., -1., 0.],
        Function::Identity => [0., 0., 0., 0., 1., 0., 0., 0., 0.],
        _ => return None,
    };
    Some(Taps::square(3, data.to_vec()))
}
