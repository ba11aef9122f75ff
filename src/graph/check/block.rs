//! Blocks: who uses whom, and inlining.

use std::collections::{BTreeMap, BTreeSet};

use super::chain::has_taps;
use super::scope::{Binding, BlockState, Checker, Context, Current, Scope};
use super::table;
use super::thing::{Id, Thing};
use crate::diag::{Code, Diagnostic};
use crate::limits;
use crate::source::Span;
use crate::syntax::ast::{BlockDef, Call, Expr, ExprKind, Stmt, StmtKind};

/// A block before anything is known about it.
pub(super) fn state(def: &BlockDef) -> BlockState<'_> {
    BlockState { def, recursive: false, weighted: false, used: false }
}

/// What a block's body calls by name, layers and blocks alike, with the place of the call.
#[derive(Default)]
struct Calls<'a> {
    names: BTreeMap<&'a str, Span>,
    weighted: bool,
}

impl<'a> Calls<'a> {
    fn body(&mut self, body: &'a [Stmt]) {
        for stmt in body {
            match &stmt.kind {
                StmtKind::Apply(apply) => self.expr(&apply.value),
                StmtKind::Repeat(repeat) => self.body(&repeat.body),
                StmtKind::Param(_) => self.weighted = true,
                _ => {}
            }
        }
    }

    fn callee(&mut self, name: &'a str, span: Span, taps: bool) {
        self.weighted |= table::layer(name).is_some_and(|l| l.weighted() && !taps);
        self.names.entry(name).or_insert(span);
    }

    fn expr(&mut self, expr: &'a Expr) {
        match &expr.kind {
            ExprKind::Number(_) | ExprKind::Str(_) => {}
            ExprKind::Name(name) => {
                if let Some(text) = name.as_plain() {
                    self.callee(text, name.span, false);
                }
            }
            ExprKind::List(items) | ExprKind::Tuple(items) => items.iter().for_each(|e| self.expr(e)),
            ExprKind::Call(call) => {
                self.callee(&call.callee.text, call.callee.span, has_taps(&call.args));
                call.args.iter().for_each(|arg| self.expr(&arg.value));
            }
            ExprKind::Paren(inner) | ExprKind::Neg(inner) => self.expr(inner),
            ExprKind::Binary(_, a, b) => {
                self.expr(a);
                self.expr(b);
            }
            ExprKind::Pipe(start, stages) => {
                self.expr(start);
                stages.iter().for_each(|e| self.expr(e));
            }
        }
    }
}

impl<'a> Checker<'a> {
    /// Finds the blocks that use themselves, which is an error, and those with weights in them.
    pub fn resolve_blocks(&mut self) {
        let mut calls: BTreeMap<&'a str, Calls<'a>> = BTreeMap::new();
        for (&name, block) in &self.blocks {
            let mut found = Calls::default();
            found.body(&block.def.body);
            calls.insert(name, found);
        }
        let weighted = with_weights(&calls);
        let unfounded = unfounded(&calls);
        for (name, block) in &mut self.blocks {
            block.recursive = unfounded.contains(name);
            block.weighted = weighted.contains(name);
        }
        let mut seen: BTreeSet<&'a str> = BTreeSet::new();
        for &start in &unfounded {
            let Some(ring) = ring(start, &calls, &unfounded, &mut seen) else { continue };
            let (Some(&(name, span)), Some(&(last, _))) = (ring.first(), ring.last()) else { continue };
            let chain: Vec<&str> = ring.iter().map(|(n, _)| *n).chain([name]).collect();
            let text = format!("the block `{last}` uses itself");
            let diagnostic = Diagnostic::error(Code::RecursiveBlock, span, text).note(shortened(&chain));
            self.report(
                diagnostic.help("blocks are inlined, so they may not recurse; `repeat n { … }` repeats"),
            );
        }
    }

    /// Applies a block to a value: its statements, with names of their own.
    pub fn inline(
        &mut self,
        callee: &str,
        call: Option<&'a Call>,
        span: Span,
        x: Id,
        name: Option<&str>,
    ) -> Id {
        let Some(block) = self.blocks.get_mut(callee) else { return self.unknown(vec![x], span) };
        block.used = true;
        let (def, recursive) = (block.def, block.recursive);
        let arguments = self.block_arguments(def, call, span);
        if recursive {
            return self.unknown(vec![x], span);
        }
        if self.budget.blocks >= limits::BLOCK_DEPTH {
            let text = format!("blocks use blocks more than {} deep", limits::BLOCK_DEPTH);
            self.error(Code::TooDeep, span, text);
            return self.unknown(vec![x], span);
        }
        if !self.deeper(span) {
            return self.unknown(vec![x], span);
        }
        self.budget.blocks += 1;
        let prefix = match name {
            Some(name) => format!("{}{name}.", self.scope.prefix),
            None => format!("{}.", self.made_up(callee)),
        };
        let mut scope = Scope::new(prefix);
        scope.unnamed = self.scope.unnamed.or(name.is_none().then_some(span));
        scope.names = arguments;
        scope.it = Current::Is(x);
        scope.input = Some(x);
        self.contexts.push(Context::Block { name: callee.to_owned(), span });
        let ((), scope) = self.in_scope(scope, |checker| {
            if checker.scope.prefix.len() > limits::NAME_BYTES {
                let text = format!("the names in it would have more than {} bytes", limits::NAME_BYTES);
                checker.error(Code::NameTooLong, span, text);
                checker.scope.it = Current::Is(checker.unknown(vec![x], span));
                return;
            }
            checker.body(&def.body);
        });
        self.contexts.pop();
        self.budget.blocks -= 1;
        self.budget.depth -= 1;
        match scope.it {
            Current::Is(id) => id,
            Current::None => self.unknown(vec![x], span),
        }
    }

    /// A block's parameters: what the call gives, else their defaults.
    fn block_arguments(
        &mut self,
        def: &'a BlockDef,
        call: Option<&'a Call>,
        span: Span,
    ) -> BTreeMap<String, Binding> {
        let mut given: BTreeMap<String, Binding> = BTreeMap::new();
        let mut place = 0;
        for arg in call.map(|c| c.args.as_slice()).unwrap_or_default() {
            let param = match &arg.name {
                Some(name) => def.params.iter().find(|p| p.name.text == name.text),
                None => {
                    place += 1;
                    def.params.get(place - 1)
                }
            };
            let thing = self.eval(&arg.value, true);
            match (param, &arg.name) {
                (Some(param), name) => {
                    if let Some(first) = given.get(&param.name.text) {
                        let text = format!("`{}` is given twice", param.name.text);
                        let at = name.as_ref().map_or(arg.span, |n| n.span);
                        let diagnostic = Diagnostic::error(Code::DuplicateSetting, at, text);
                        let first = first.span;
                        self.report(diagnostic.also(first, "the first is here"));
                        continue;
                    }
                    given.insert(param.name.text.clone(), Binding { thing, span: arg.value.span });
                }
                (None, Some(name)) => {
                    let text = format!("the block `{}` has no parameter `{}`", def.name.text, name.text);
                    let diagnostic = Diagnostic::error(Code::UnknownSetting, name.span, text);
                    let params = def.params.iter().map(|p| p.name.text.as_str());
                    let diagnostic = Self::suggest(diagnostic, &name.text, params);
                    self.report(diagnostic.also(def.name.span, "the block is here"));
                }
                (None, None) => {
                    let text = format!("the block `{}` has {} parameters", def.name.text, def.params.len());
                    let diagnostic = Diagnostic::error(Code::TooManySettings, arg.span, text);
                    self.report(diagnostic.also(def.name.span, "the block is here"));
                }
            }
        }
        let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
        for param in &def.params {
            let name = &param.name.text;
            if super::keys::reserved(name) {
                self.reserved(name, param.name.span);
                continue;
            }
            if let Some(&first) = seen.get(name.as_str()) {
                self.twice("parameter", &param.name, first);
                continue;
            }
            seen.insert(name, param.name.span);
            if given.contains_key(name) {
                continue;
            }
            let thing = match &param.default {
                Some(default) => {
                    // A default knows the file's kernels, not the names around the call.
                    let (thing, _) = self.in_scope(Scope::new(String::new()), |c| c.eval(default, true));
                    thing
                }
                None => {
                    let text = format!("the block `{}` needs `{name}`", def.name.text);
                    let diagnostic = Diagnostic::error(Code::MissingSetting, span, text);
                    self.report(
                        diagnostic
                            .also(param.name.span, "the parameter has no default")
                            .help(format!("`{}({name}=…)`", def.name.text)),
                    );
                    Thing::Unknown
                }
            };
            given.insert(name.clone(), Binding { thing, span: param.name.span });
        }
        given
    }
}

/// The blocks with weights in them or in what they use.
fn with_weights<'a>(calls: &BTreeMap<&'a str, Calls<'a>>) -> BTreeSet<&'a str> {
    let users = users(calls);
    let mut open: Vec<&'a str> = calls.iter().filter(|(_, c)| c.weighted).map(|(&n, _)| n).collect();
    let mut found: BTreeSet<&'a str> = open.iter().copied().collect();
    while let Some(name) = open.pop() {
        for &user in users.get(name).into_iter().flatten() {
            if found.insert(user) {
                open.push(user);
            }
        }
    }
    found
}

/// Who uses each block.
fn users<'a>(calls: &BTreeMap<&'a str, Calls<'a>>) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut users: BTreeMap<&'a str, Vec<&'a str>> = BTreeMap::new();
    for (&name, found) in calls {
        for &callee in found.names.keys().filter(|n| calls.contains_key(*n)) {
            users.entry(callee).or_default().push(name);
        }
    }
    users
}

/// The blocks that use themselves or one that does: those left when blocks are taken away whose
/// uses are all taken away.
fn unfounded<'a>(calls: &BTreeMap<&'a str, Calls<'a>>) -> BTreeSet<&'a str> {
    let users = users(calls);
    let uses = |c: &Calls<'a>| c.names.keys().filter(|n| calls.contains_key(*n)).count();
    let mut waiting: BTreeMap<&'a str, usize> = calls.iter().map(|(&n, c)| (n, uses(c))).collect();
    let mut open: Vec<&'a str> = waiting.iter().filter(|(_, n)| **n == 0).map(|(&n, _)| n).collect();
    while let Some(name) = open.pop() {
        waiting.remove(name);
        for &user in users.get(name).into_iter().flatten() {
            if let Some(count) = waiting.get_mut(user) {
                *count -= 1;
                if *count == 0 {
                    open.push(user);
                }
            }
        }
    }
    waiting.into_keys().collect()
}

/// A ring of blocks that is reached from `start` over blocks not seen before: each with the place
/// where it is used by the one before it, the first by the last.
fn ring<'a>(
    start: &'a str,
    calls: &BTreeMap<&'a str, Calls<'a>>,
    among: &BTreeSet<&'a str>,
    seen: &mut BTreeSet<&'a str>,
) -> Option<Vec<(&'a str, Span)>> {
    let mut path: Vec<(&'a str, Span)> = Vec::new();
    let mut place: BTreeMap<&'a str, usize> = BTreeMap::new();
    let (mut name, mut span) = (start, Span::default());
    loop {
        if let Some(&first) = place.get(name) {
            let mut ring = path.split_off(first);
            if let Some(first) = ring.first_mut() {
                first.1 = span;
            }
            return Some(ring);
        }
        if !seen.insert(name) {
            return None;
        }
        place.insert(name, path.len());
        path.push((name, span));
        let (&next, &at) = calls.get(name)?.names.iter().find(|(n, _)| among.contains(*n))?;
        (name, span) = (next, at);
    }
}

/// `a → b → a`, long ones with their middle left out.
fn shortened(chain: &[&str]) -> String {
    match chain {
        [a, b, c, .., y, z] if chain.len() > 8 => format!("{a} → {b} → {c} → … → {y} → {z}"),
        _ => chain.join(" → "),
    }
}
