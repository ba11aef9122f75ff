//! Expressions: over values, numbers and kernels.

use std::rc::Rc;

use super::numbers::arithmetic;
use super::scope::Checker;
use super::settings::{Setting, Settings};
use super::table::{self, Function, FunctionDef};
use super::thing::{Id, Item, Shape, Thing};
use crate::diag::{Code, Diagnostic};
use crate::graph::shape::{broadcast_axis, channel_axis};
use crate::graph::{BinaryOp, Op, UnaryOp};
use crate::source::Span;
use crate::syntax::ast::{self, Call, Expr, ExprKind, Name};

impl<'a> Checker<'a> {
    /// The value that an expression gives; reports where it gives something else.
    pub fn value(&mut self, expr: &'a Expr) -> Id {
        let thing = self.eval(expr, false);
        self.value_of(&thing, expr.span)
    }

    fn value_of(&mut self, thing: &Thing, span: Span) -> Id {
        match thing {
            Thing::Value(id) => *id,
            Thing::Unknown => self.unknown(Vec::new(), span),
            other => {
                let text = format!("a value is needed, and this is {}", other.describe());
                let diagnostic = Diagnostic::error(Code::WrongKind, span, text);
                let diagnostic = match other {
                    Thing::Taps(_) | Thing::List(_) => diagnostic.help(
                        "`kernel name = …` outside of the model names a kernel, `filter(name)` applies it",
                    ),
                    _ => diagnostic,
                };
                self.report(diagnostic);
                self.unknown(Vec::new(), span)
            }
        }
    }

    /// Evaluates an expression. With `words`, a name that nothing has is a word.
    pub fn eval(&mut self, expr: &'a Expr, words: bool) -> Thing {
        // Literals cost what they hold, which is counted where they are taps.
        if let Some(number) = literal(expr) {
            return number;
        }
        if !self.tick(expr.span) || !self.deeper(expr.span) {
            return Thing::Unknown;
        }
        let thing = self.eval_inner(expr, words);
        self.budget.depth -= 1;
        thing
    }

    fn eval_inner(&mut self, expr: &'a Expr, words: bool) -> Thing {
        match &expr.kind {
            ExprKind::Number(_) => literal(expr).unwrap_or(Thing::Unknown),
            ExprKind::Str(text) => Thing::Str(text.clone()),
            ExprKind::Name(name) => self.name(name, words),
            ExprKind::Paren(inner) => self.eval(inner, words),
            ExprKind::List(items) => {
                if self.spend_taps(items.len(), expr.span) {
                    Thing::List(self.items(items))
                } else {
                    Thing::Unknown
                }
            }
            ExprKind::Tuple(items) => Thing::Tuple(self.items(items)),
            ExprKind::Call(call) => self.call(call, expr.span),
            ExprKind::Neg(inner) => {
                let thing = self.eval(inner, false);
                let thing = self.literal_taps(thing, inner.span);
                self.negate(thing, expr.span)
            }
            ExprKind::Binary(op, a, b) => {
                let (x, y) = (self.eval(a, false), self.eval(b, false));
                let (x, y) = (self.literal_taps(x, a.span), self.literal_taps(y, b.span));
                self.binary(*op, &x, &y, expr.span)
            }
            ExprKind::Pipe(..) => Thing::Value(self.chain(expr, None)),
        }
    }

    /// A list in arithmetic is a kernel: `[[1, 2, 1]] / 4`.
    fn literal_taps(&mut self, thing: Thing, span: Span) -> Thing {
        match thing {
            Thing::List(_) => self.taps_of(&thing, span).map_or(Thing::Unknown, Thing::Taps),
            other => other,
        }
    }

    fn items(&mut self, items: &'a [Expr]) -> Rc<[Item]> {
        items.iter().map(|e| Item { thing: self.eval(e, false), span: e.span }).collect()
    }

    fn name(&mut self, name: &'a Name, words: bool) -> Thing {
        let Some(text) = self.name_text(name) else { return Thing::Unknown };
        match text.as_str() {
            "it" => return Thing::Value(self.current(name.span)),
            "input" => {
                return match self.scope.input {
                    Some(id) => Thing::Value(id),
                    None if self.scope.broken => Thing::Unknown,
                    None => {
                        let text =
                            "`input` is what a block is applied to, and there is nothing of the kind here";
                        self.error(Code::NoCurrentValue, name.span, text);
                        Thing::Unknown
                    }
                };
            }
            _ => {}
        }
        if let Some(binding) = self.scope.names.get(&text) {
            return binding.thing.clone();
        }
        if let Some(thing) = self.kernel(&text, name.span) {
            return thing;
        }
        if super::chain::is_callable(self, &text) && !words {
            self.layer_as_value(&text, name.span);
            return Thing::Unknown;
        }
        if words {
            return Thing::Word(text);
        }
        if !self.scope.broken && !self.broken {
            self.undefined(&text, name.span);
        }
        Thing::Unknown
    }

    fn layer_as_value(&mut self, name: &str, span: Span) {
        let text = format!("`{name}` is a layer or block, and a value must stand here");
        let diagnostic = Diagnostic::error(Code::LayerAsValue, span, text);
        let diagnostic = match table::layer(name).is_some_and(|l| l.elementwise()) {
            true => diagnostic.help(format!("`{name}(it)` applies it to the current value")),
            false => diagnostic.help(format!("name its result first: `y = {name}(…)`, then use `y`")),
        };
        self.report(diagnostic);
    }

    fn negate(&mut self, thing: Thing, span: Span) -> Thing {
        match thing {
            Thing::Int(v) => match v.checked_neg() {
                Some(v) => Thing::Int(v),
                None => {
                    self.error(Code::Overflow, span, format!("−({v}) is too large"));
                    Thing::Unknown
                }
            },
            Thing::Num(v) => Thing::Num(-v),
            Thing::Unknown => Thing::Unknown,
            Thing::Taps(_) => self.taps_arithmetic(ast::BinaryOp::Mul, &thing, &Thing::Int(-1), span),
            Thing::Value(x) => Thing::Value(self.unary(UnaryOp::Neg, x, span)),
            other => {
                self.error(Code::WrongKind, span, format!("{} has no negative", other.describe()));
                Thing::Unknown
            }
        }
    }

    fn binary(&mut self, op: ast::BinaryOp, a: &Thing, b: &Thing, span: Span) -> Thing {
        if let Some(result) = arithmetic(op, a, b) {
            return result.unwrap_or_else(|failure| {
                self.arithmetic_failed(failure, a, op, b, span);
                Thing::Unknown
            });
        }
        match (a, b) {
            (Thing::Value(x), Thing::Unknown) | (Thing::Unknown, Thing::Value(x)) => {
                Thing::Value(self.unknown(vec![*x], span))
            }
            (Thing::Unknown, _) | (_, Thing::Unknown) => Thing::Unknown,
            (
                Thing::Value(_) | Thing::Int(_) | Thing::Num(_),
                Thing::Value(_) | Thing::Int(_) | Thing::Num(_),
            ) => {
                let op = match op {
                    ast::BinaryOp::Add => BinaryOp::Add,
                    ast::BinaryOp::Sub => BinaryOp::Sub,
                    ast::BinaryOp::Mul => BinaryOp::Mul,
                    ast::BinaryOp::Div => BinaryOp::Div,
                    ast::BinaryOp::Rem => {
                        self.error(Code::WrongKind, span, "`%` is for whole numbers, not for values");
                        return Thing::Unknown;
                    }
                };
                Thing::Value(self.elementwise(op, a, b, span))
            }
            (
                Thing::Taps(_) | Thing::Int(_) | Thing::Num(_),
                Thing::Taps(_) | Thing::Int(_) | Thing::Num(_),
            ) => self.taps_arithmetic(op, a, b, span),
            _ => {
                let text =
                    format!("`{}` does not go between {} and {}", op.symbol(), a.describe(), b.describe());
                self.error(Code::WrongKind, span, text);
                Thing::Unknown
            }
        }
    }

    /// A function of one value.
    pub fn unary(&mut self, op: UnaryOp, x: Id, span: Span) -> Id {
        let op = Op::Unary(op);
        let (stem, shape) = (crate::graph::print::op_name(&op), self.shape(x));
        self.emit(Some(op), vec![x], shape, stem, span)
    }

    /// A function of two values, or of one and a number.
    fn elementwise(&mut self, op: BinaryOp, a: &Thing, b: &Thing, span: Span) -> Id {
        let (x, y) = (self.operand(a, span), self.operand(b, span));
        let shape = match (self.shape(x), self.shape(y)) {
            (Some(a), Some(b)) => match broadcast(&a, &b) {
                Ok(shape) => Some(shape),
                Err(why) => {
                    self.do_not_fit(x, y, &a, &b, &why, span);
                    None
                }
            },
            _ => None,
        };
        let op = Op::Binary(op);
        let stem = crate::graph::print::op_name(&op);
        self.emit(Some(op), vec![x, y], shape, stem, span)
    }

    fn do_not_fit(&mut self, x: Id, y: Id, a: &Shape, b: &Shape, why: &str, span: Span) {
        let text = format!("{a} and {b} do not go together");
        let diagnostic = Diagnostic::error(Code::Broadcast, span, text).note(why.to_owned());
        let diagnostic = self.with_source(diagnostic, x);
        let diagnostic = self.with_source(diagnostic, y);
        // Where the sides differ, the padding of a window may be what is missing.
        let sides = |s: &Shape| s.chw().map(|[_, h, w]| (h, w));
        let diagnostic = match (sides(a), sides(b)) {
            (Some(sa), Some(sb)) if sa != sb => {
                let before = diagnostic.help.len();
                let diagnostic = self.explain_shape(diagnostic, x, &b.dims);
                match diagnostic.help.len() > before {
                    true => diagnostic,
                    false => self.explain_shape(diagnostic, y, &a.dims),
                }
            }
            _ => diagnostic,
        };
        self.report(diagnostic);
    }

    fn operand(&mut self, thing: &Thing, span: Span) -> Id {
        match (thing, thing.number()) {
            (_, Some(number)) => self.scalar(number, span),
            _ => self.value_of(thing, span),
        }
    }

    fn call(&mut self, call: &'a Call, span: Span) -> Thing {
        let name = call.callee.text.as_str();
        if let Some(layer) = table::layer(name) {
            let operand = if layer.elementwise() { self.operand_of(call, layer.positional) } else { None };
            let Some(operand) = operand else {
                self.layer_as_value(name, call.callee.span);
                return Thing::Unknown;
            };
            let x = self.value(&operand.value);
            let settings = self.settings(layer.name, layer.args, layer.positional, Some(call), 1, span);
            return Thing::Value(self.activation(layer.layer, &settings, x, span));
        }
        if self.blocks.contains_key(name) {
            self.layer_as_value(name, call.callee.span);
            return Thing::Unknown;
        }
        match table::function(name) {
            Some(function) => self.function(function, call, span),
            None => {
                if self.scope.names.contains_key(name) || self.kernels.contains_key(name) {
                    let text = format!("`{name}` is not a function");
                    self.error(Code::UnknownLayer, call.callee.span, text);
                } else {
                    self.unknown_callee(name, call.callee.span);
                }
                Thing::Unknown
            }
        }
    }

    fn function(&mut self, def: &'static FunctionDef, call: &'a Call, span: Span) -> Thing {
        let count = call.args.iter().take_while(|a| a.name.is_none()).count();
        let (least, most) = def.operands;
        let operands = if def.makes_taps() { 0 } else { count };
        if operands < least || operands > most {
            let wanted = match (least, most) {
                (1, 1) => "one operand".to_owned(),
                (n, m) if n == m => format!("{n} operands"),
                (n, _) => format!("{n} operands or more"),
            };
            let text = format!("`{}` takes {wanted}, and here are {operands}", def.name);
            self.error(Code::MissingSetting, span, text);
            for arg in &call.args {
                self.eval(&arg.value, true);
            }
            return Thing::Unknown;
        }
        let settings = self.settings(def.name, def.args, def.positional, Some(call), operands, span);
        if matches!(def.function, Function::Transpose | Function::Flip) {
            let operand = call.args.first().and_then(|arg| self.taps(&arg.value));
            return self.taps_function(def.function, &settings, operand, span);
        }
        if def.makes_taps() {
            return self.taps_function(def.function, &settings, None, span);
        }
        let mut things = Vec::new();
        for arg in call.args.iter().take(operands) {
            things.push((self.eval(&arg.value, false), arg.value.span));
        }
        self.compute(def, &things, &settings, span)
    }

    /// A function of values and numbers.
    fn compute(
        &mut self,
        def: &FunctionDef,
        things: &[(Thing, Span)],
        settings: &Settings,
        span: Span,
    ) -> Thing {
        let values: Vec<Id> = things
            .iter()
            .filter_map(|(thing, _)| match thing {
                Thing::Value(id) => Some(*id),
                _ => None,
            })
            .collect();
        if things.iter().any(|(thing, _)| matches!(thing, Thing::Unknown)) {
            return match values.is_empty() {
                true => Thing::Unknown,
                false => Thing::Value(self.unknown(values, span)),
            };
        }
        let binary = match def.function {
            Function::MatMul => return Thing::Value(self.matmul(things, span)),
            Function::Concat => return Thing::Value(self.concat(things, settings, span)),
            Function::Pow => Some(BinaryOp::Pow),
            Function::Min => Some(BinaryOp::Min),
            Function::Max => Some(BinaryOp::Max),
            _ => None,
        };
        if values.is_empty() {
            return self.numbers_alone(def, things, span);
        }
        if let Some(op) = binary {
            let mut rest = things.iter();
            let Some((first, _)) = rest.next() else { return Thing::Unknown };
            let mut total = first.clone();
            for (thing, _) in rest {
                total = match (op, total.number(), thing.number()) {
                    (BinaryOp::Min, Some(a), Some(b)) => Thing::Num(a.min(b)),
                    (BinaryOp::Max, Some(a), Some(b)) => Thing::Num(a.max(b)),
                    _ => Thing::Value(self.elementwise(op, &total, thing, span)),
                };
            }
            return total;
        }
        let op = match def.function {
            Function::Sqrt => UnaryOp::Sqrt,
            Function::Abs => UnaryOp::Abs,
            Function::Exp => UnaryOp::Exp,
            Function::Erf => UnaryOp::Erf,
            _ => UnaryOp::Log,
        };
        let Some(&x) = values.first() else { return Thing::Unknown };
        Thing::Value(self.unary(op, x, span))
    }

    /// A function of numbers alone: only what is exact everywhere.
    fn numbers_alone(&mut self, def: &FunctionDef, things: &[(Thing, Span)], span: Span) -> Thing {
        let numbers: Option<Vec<f64>> = things.iter().map(|(thing, _)| thing.number()).collect();
        let Some(numbers) = numbers else {
            let other = things.iter().find(|(thing, _)| thing.number().is_none());
            let what = other.map_or_else(String::new, |(thing, _)| thing.describe());
            let place = other.map_or(span, |(_, span)| *span);
            self.error(
                Code::WrongKind,
                place,
                format!("`{}` takes values and numbers, and this is {what}", def.name),
            );
            return Thing::Unknown;
        };
        let whole = things.iter().all(|(thing, _)| matches!(thing, Thing::Int(_)));
        let first = numbers.first().copied().unwrap_or(0.0);
        let value = match def.function {
            Function::Sqrt if first >= 0.0 => first.sqrt(),
            Function::Abs => first.abs(),
            Function::Min => numbers.iter().copied().fold(f64::INFINITY, f64::min),
            Function::Max => numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            Function::Sqrt => {
                self.error(Code::OutOfRange, span, format!("{first} has no square root"));
                return Thing::Unknown;
            }
            _ => {
                let text = format!("`{}` of numbers alone is not computed: write the number", def.name);
                self.error(Code::WrongKind, span, text);
                return Thing::Unknown;
            }
        };
        if whole && def.function != Function::Sqrt && value.abs() < 9e15 {
            return Thing::Int(value as i64);
        }
        Thing::Num(value)
    }

    fn concat(&mut self, things: &[(Thing, Span)], settings: &Settings, span: Span) -> Id {
        let ids: Vec<Id> = things.iter().map(|(thing, span)| self.value_of(thing, *span)).collect();
        let shapes: Option<Vec<Shape>> = ids.iter().map(|&id| self.shape(id)).collect();
        let (Some(shapes), Some(&first)) = (shapes, ids.first()) else {
            return self.unknown(ids, span);
        };
        if shapes.iter().any(|shape| shape.dims.is_empty()) {
            let diagnostic = Diagnostic::error(Code::WrongRank, span, "`concat` gets a value without axes");
            self.report(diagnostic.help("`reshape([1])` makes an axis of one element"));
            return self.unknown(ids, span);
        }
        let Some(axis) = self.axis(settings, first) else { return self.unknown(ids, span) };
        let Some(mut joined) = shapes.first().cloned() else { return self.unknown(ids, span) };
        for ((shape, &id), (_, place)) in shapes.iter().zip(&ids).zip(things).skip(1) {
            let same = shape.dims.len() == joined.dims.len()
                && shape.batched == joined.batched
                && shape
                    .dims
                    .iter()
                    .zip(&joined.dims)
                    .enumerate()
                    .all(|(i, (a, b))| i == axis || a.is_none() || b.is_none() || a == b);
            if !same {
                let other = shapes.first().map(Shape::to_string).unwrap_or_default();
                let text = format!("{other} and {shape} cannot be joined along axis {axis}");
                let diagnostic = Diagnostic::error(Code::ConcatShapes, *place, text)
                    .note("all axes but the joined one must be equal");
                let diagnostic = self.with_source(self.with_source(diagnostic, first), id);
                let wanted = joined.dims.clone();
                let diagnostic = self.explain_shape(diagnostic, id, &wanted);
                self.report(diagnostic);
                return self.unknown(ids, span);
            }
            for (i, (a, b)) in joined.dims.iter_mut().zip(&shape.dims).enumerate() {
                *a = match (*a, *b) {
                    (Some(a), Some(b)) if i == axis => Some(a.saturating_add(b)),
                    (_, _) if i == axis => None,
                    (a, b) => a.or(b),
                };
            }
        }
        self.emit(Some(Op::Concat { axis }), ids, Some(joined), "concat", span)
    }

    /// The axis that a setting names, or that of the channels.
    pub fn axis(&mut self, settings: &Settings, x: Id) -> Option<usize> {
        let shape = self.shape(x)?;
        let rank = shape.dims.len();
        let Some(&Setting::Axis(axis)) = settings.get("axis") else {
            return if settings.given("axis") { None } else { channel_axis(rank) };
        };
        let count = rank as i64;
        let at = if axis < 0 { axis.saturating_add(count) } else { axis };
        if (0..count).contains(&at) {
            return usize::try_from(at).ok();
        }
        let text = format!("{shape} has no axis {axis}");
        let diagnostic = Diagnostic::error(Code::BadAxis, settings.span("axis"), text)
            .note(match rank {
                0 => "it is a single number".to_owned(),
                _ => format!("its axes are 0 to {}, or −{rank} to −1 from the last", rank - 1),
            })
            .note("the batch axis is not among them");
        self.report(diagnostic);
        None
    }
}

/// A number, or the negative of one.
fn literal(expr: &Expr) -> Option<Thing> {
    match &expr.kind {
        ExprKind::Number(number) => Some(match number.int {
            Some(v) => Thing::Int(v),
            None => Thing::Num(number.value),
        }),
        ExprKind::Neg(inner) => match &inner.kind {
            ExprKind::Number(number) => Some(match number.int.and_then(i64::checked_neg) {
                Some(v) => Thing::Int(v),
                None => Thing::Num(-number.value),
            }),
            _ => None,
        },
        _ => None,
    }
}

/// The shape of an elementwise operation, or why there is none.
pub(super) fn broadcast(a: &Shape, b: &Shape) -> Result<Shape, String> {
    for (plain, batched) in [(a, b), (b, a)] {
        if batched.batched && !plain.batched && plain.dims.len() > batched.dims.len() {
            return Err("a value without a batch axis has more axes than a sample of the other".to_owned());
        }
    }
    let rank = a.dims.len().max(b.dims.len());
    let at = |s: &Shape, i: usize| match (i + s.dims.len()).checked_sub(rank) {
        Some(j) => s.dims.get(j).copied().flatten(),
        None => Some(1),
    };
    let mut dims = Vec::with_capacity(rank);
    for i in 0..rank {
        dims.push(match (at(a, i), at(b, i)) {
            (Some(x), Some(y)) => match broadcast_axis(x, y) {
                Some(n) => Some(n),
                None => {
                    let from_last = rank - i;
                    return Err(format!(
                        "axis −{from_last}: {x} against {y}; each pair of axes must be equal or one of them 1"
                    ));
                }
            },
            (Some(n), None) | (None, Some(n)) if n != 1 => Some(n),
            _ => None,
        });
    }
    Ok(Shape { batched: a.batched || b.batched, dims })
}
