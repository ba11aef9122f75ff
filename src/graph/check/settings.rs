//! Settings: the arguments of a layer or function, held against the table.

use std::rc::Rc;

use super::scope::Checker;
use super::table::{Arg, Kind, OTHER_NAMES};
use super::thing::{Item, Taps, Thing};
use crate::diag::{Code, Diagnostic};
use crate::graph::shape::Padding;
use crate::source::Span;
use crate::syntax::ast::{self, Call, Expr, ExprKind};

/// What a setting was given as.
#[derive(Clone, Debug)]
pub(super) enum Setting {
    Whole(u64),
    Pair([u64; 2]),
    Pad([Padding; 2]),
    Number(f64),
    Factor([f64; 2]),
    Flag(bool),
    Word(&'static str),
    Taps(Rc<Taps>),
    Numbers(Vec<f64>),
    Region([[f64; 2]; 2]),
    Axis(i64),
    Int(i64),
    Ints(Vec<i64>),
    Text(String),
}

struct Entry {
    name: &'static str,
    span: Span,
    /// `None` where it failed or waits for a size.
    setting: Option<Setting>,
}

/// The settings of one layer or function.
pub(super) struct Settings {
    /// The whole layer: for what concerns no setting that was given.
    pub span: Span,
    entries: Vec<Entry>,
    /// A setting was not recognised: what seems to be missing was probably meant by it.
    misnamed: bool,
}

/// A getter for each kind: the default where a setting was not given, `None` where it is not known.
macro_rules! getters {
    ($($name:ident: $variant:ident -> $ty:ty;)*) => {
        $(pub fn $name(&self, name: &str, default: impl Into<$ty>) -> Option<$ty> {
            match self.entry(name) {
                None => Some(default.into()),
                Some(Entry { setting: Some(Setting::$variant(value)), .. }) => Some(value.clone()),
                Some(_) => None,
            }
        })*
    };
}

impl Settings {
    getters! {
        whole: Whole -> u64;
        pair: Pair -> [u64; 2];
        pad: Pad -> [Padding; 2];
        number: Number -> f64;
        flag: Flag -> bool;
        word: Word -> &'static str;
        int: Int -> i64;
    }

    fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|e| e.name == name)
    }

    /// Whether a setting may be missing because it was given under no name, or a wrong one.
    pub fn misnamed(&self) -> bool {
        self.misnamed
    }

    /// Whether a setting was given, well or not.
    pub fn given(&self, name: &str) -> bool {
        self.entry(name).is_some()
    }

    /// What a setting was given as, if it was and is known.
    pub fn get(&self, name: &str) -> Option<&Setting> {
        self.entry(name).and_then(|e| e.setting.as_ref())
    }

    /// Taps that were given and are known.
    pub fn taps(&self, name: &str) -> Option<Rc<Taps>> {
        match self.get(name) {
            Some(Setting::Taps(taps)) => Some(Rc::clone(taps)),
            _ => None,
        }
    }

    /// A list of whole numbers that was given and is known.
    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        match self.get(name) {
            Some(Setting::Ints(list)) => Some(list),
            _ => None,
        }
    }

    /// A string that was given and is known.
    pub fn text(&self, name: &str) -> Option<String> {
        match self.get(name) {
            Some(Setting::Text(text)) => Some(text.clone()),
            _ => None,
        }
    }

    /// Where a setting was given, or the whole layer.
    pub fn span(&self, name: &str) -> Span {
        self.entry(name).map_or(self.span, |e| e.span)
    }
}

impl<'a> Checker<'a> {
    /// Holds a call's arguments against the table. The first `skip` arguments are operands.
    pub fn settings(
        &mut self,
        owner: &'static str,
        table: &'static [Arg],
        positional: usize,
        call: Option<&'a Call>,
        skip: usize,
        span: Span,
    ) -> Settings {
        let mut settings = Settings { span, entries: Vec::new(), misnamed: false };
        let mut place = 0;
        for arg in call.map(|c| c.args.as_slice()).unwrap_or_default().iter().skip(skip) {
            let def = match &arg.name {
                Some(name) => table.iter().find(|d| d.name == name.text),
                None => {
                    place += 1;
                    table.get(place - 1).filter(|_| place <= positional)
                }
            };
            let Some(def) = def else {
                settings.misnamed = true;
                self.unknown_setting(owner, table, positional, arg);
                continue;
            };
            if let Some(first) = settings.entry(def.name) {
                let text = format!("`{}` is given twice", def.name);
                let diagnostic = Diagnostic::error(Code::DuplicateSetting, arg.span, text);
                let first = first.span;
                self.report(diagnostic.also(first, "the first is here"));
                continue;
            }
            let setting = self.coerce(def, &arg.value);
            settings.entries.push(Entry { name: def.name, span: arg.span, setting });
        }
        for def in table.iter().filter(|d| d.required) {
            if settings.given(def.name) {
                continue;
            }
            settings.entries.push(Entry { name: def.name, span, setting: None });
            if settings.misnamed {
                continue;
            }
            let text = format!("`{owner}` needs `{}`", def.name);
            let diagnostic = Diagnostic::error(Code::MissingSetting, span, text);
            let example = match def.kind {
                Kind::Taps2 => format!("`{owner}(gaussian(5))`"),
                Kind::Whole(_) | Kind::Pair(_) | Kind::Pad if positional > 0 => format!("`{owner}(2)`"),
                Kind::Numbers => format!("`{owner}({}=0.5)` or a list of one for each channel", def.name),
                Kind::Ints if positional > 0 => format!("`{owner}([…])`"),
                Kind::Axis => format!("`{owner}({}=0)`", def.name),
                _ => format!("`{owner}({}=3)`", def.name),
            };
            self.report(diagnostic.note(format!("`{}` is {}", def.name, def.doc)).help(example));
        }
        settings
    }

    fn unknown_setting(&mut self, owner: &str, table: &'static [Arg], positional: usize, arg: &'a ast::Arg) {
        // What stands in it is checked all the same.
        let Some(name) = &arg.name else {
            let thing = self.eval(&arg.value, true);
            let (code, text) = match (thing, positional) {
                (Thing::Value(_), _) => {
                    (Code::ValueAsLayer, format!("`{owner}` is a layer: its value comes from the left"))
                }
                (_, 0) if table.is_empty() => (Code::TooManySettings, format!("`{owner}` has no settings")),
                (_, 0) => (Code::TooManySettings, format!("the settings of `{owner}` are given by name")),
                (_, n) => (Code::TooManySettings, format!("`{owner}` takes {n} settings without a name")),
            };
            let diagnostic = Diagnostic::error(code, arg.span, text);
            let diagnostic = match (code, table.first()) {
                (Code::ValueAsLayer, _) => diagnostic.help(format!("write `value |> {owner}(…)`")),
                (_, Some(first)) => diagnostic.help(format!("write `{owner}({}=…)`", first.name)),
                _ => diagnostic,
            };
            return self.report(diagnostic);
        };
        let text = format!("`{owner}` has no setting `{}`", name.text);
        let diagnostic = Diagnostic::error(Code::UnknownSetting, name.span, text);
        let known = |n: &str| table.iter().any(|d| d.name == n);
        let other = OTHER_NAMES.iter().find(|(theirs, ours)| *theirs == name.text && known(ours));
        let diagnostic = match other {
            Some((_, ours)) => diagnostic.help(format!("it is called `{ours}` here")),
            None => Self::suggest(diagnostic, &name.text, table.iter().map(|d| d.name)),
        };
        let names: Vec<String> = table.iter().map(|d| format!("`{}`", d.name)).collect();
        let diagnostic = match names.as_slice() {
            [] => diagnostic.note(format!("`{owner}` has no settings")),
            _ => diagnostic.note(format!("its settings are {}", names.join(", "))),
        };
        self.report(diagnostic);
    }

    /// An argument as the kind of setting that is wanted.
    fn coerce(&mut self, def: &Arg, expr: &'a Expr) -> Option<Setting> {
        match def.kind {
            Kind::Taps2 | Kind::Taps4 => return self.coerce_taps(def, expr),
            _ => {}
        }
        if let Some(word) = self.plain_word(def.kind, expr) {
            return Some(match (def.kind, word) {
                (Kind::Flag | Kind::Bias, word) => Setting::Flag(word == "true"),
                (Kind::Pad, word) => Setting::Pad([padding(word)?; 2]),
                (_, word) => Setting::Word(word),
            });
        }
        let thing = self.eval(expr, !def.kind.words().is_empty());
        self.setting(def, &thing, expr)
    }

    /// A word of the kind that stands there plainly and is not a parameter's name.
    fn plain_word(&self, kind: Kind, expr: &Expr) -> Option<&'static str> {
        let ExprKind::Name(name) = &expr.kind else { return None };
        let text = name.as_plain()?;
        let hidden = self.scope.names.get(text).is_some_and(|b| !matches!(b.thing, Thing::Value(_)));
        kind.words().iter().copied().find(|w| *w == text && !hidden)
    }

    fn coerce_taps(&mut self, def: &Arg, expr: &'a Expr) -> Option<Setting> {
        let taps = self.taps(expr)?;
        let (wanted, help) = match def.kind {
            Kind::Taps2 => (2, "`conv(weight=…)` takes taps of four axes"),
            _ => (4, "`filter(taps)` applies a kernel of two axes to each channel; `[[[[…]]]]` has four"),
        };
        if taps.dims.len() == wanted {
            return Some(Setting::Taps(taps));
        }
        let text = format!("`{}` takes {}, and this is {:?}", def.name, def.kind.describe(), taps.dims);
        self.report(Diagnostic::error(Code::BadTaps, expr.span, text).help(help));
        None
    }

    fn setting(&mut self, def: &Arg, thing: &Thing, expr: &'a Expr) -> Option<Setting> {
        let span = expr.span;
        let what = format!("`{}`", def.name);
        match (def.kind, thing) {
            (_, Thing::Unknown) => None,
            (Kind::Whole(least), Thing::Int(_) | Thing::Num(_)) => {
                self.whole_of(thing, span, least, &what).map(Setting::Whole)
            }
            (Kind::Pair(least), Thing::Int(_) | Thing::Num(_)) => {
                self.whole_of(thing, span, least, &what).map(|v| Setting::Pair([v, v]))
            }
            (Kind::Pair(least), Thing::Tuple(items)) if items.len() == 2 => {
                self.two(items, least, &what).map(Setting::Pair)
            }
            (Kind::Pad, Thing::Int(_) | Thing::Num(_)) => {
                let v = self.whole_of(thing, span, 0, &what)?;
                Some(Setting::Pad([Padding::Sides(v, v); 2]))
            }
            (Kind::Pad, Thing::Tuple(items)) if items.len() == 2 => self.sides(items, &what),
            (Kind::Number, _) if thing.number().is_some() => {
                let value = thing.number()?;
                self.narrow(value, span).map(|_| Setting::Number(value))
            }
            (Kind::Factor, _) if thing.number().is_some() => {
                let value = self.positive(thing, span, &what)?;
                Some(Setting::Factor([value, value]))
            }
            (Kind::Factor, Thing::Tuple(items)) if items.len() == 2 => {
                let mut out = [1.0; 2];
                for (slot, item) in out.iter_mut().zip(items.iter()) {
                    *slot = self.positive(&item.thing, item.span, &what)?;
                }
                Some(Setting::Factor(out))
            }
            (Kind::Region, Thing::Tuple(items)) if items.len() == 2 => self.region(items, def, span),
            (Kind::Axis, Thing::Int(v)) => Some(Setting::Axis(*v)),
            (Kind::Int, Thing::Int(v)) => Some(Setting::Int(*v)),
            (Kind::Ints, Thing::List(items)) => self.whole_list(items, &what).map(Setting::Ints),
            (Kind::Numbers, _) if thing.number().is_some() => Some(Setting::Numbers(vec![thing.number()?])),
            (Kind::Numbers | Kind::Bias, Thing::List(items)) => self.numbers(items).map(Setting::Numbers),
            (Kind::Text, Thing::Str(text)) => self.interpolate(text, span).map(Setting::Text),
            (kind, Thing::Word(word)) => self.wrong_word(def, kind, word, span),
            _ => {
                let text = format!("{what} takes {}, and this is {}", def.kind.describe(), thing.describe());
                let diagnostic = Diagnostic::error(Code::WrongKind, span, text);
                let diagnostic = self.kind_help(diagnostic, def, thing);
                self.report(diagnostic);
                None
            }
        }
    }

    /// What was probably meant where the kind is wrong.
    fn kind_help(&self, diagnostic: Diagnostic, def: &Arg, thing: &Thing) -> Diagnostic {
        match (def.kind, thing) {
            (Kind::Pair(_) | Kind::Pad | Kind::Factor, Thing::List(items)) if items.len() == 2 => {
                let numbers: Vec<String> = items
                    .iter()
                    .map(|i| i.thing.number().map_or("…".to_owned(), |v| v.to_string()))
                    .collect();
                diagnostic.help(format!("a pair has round brackets: `{}=({})`", def.name, numbers.join(", ")))
            }
            (Kind::Ints, Thing::Int(v)) => diagnostic
                .help(format!("a list has square brackets, of one number too: `{}=[{v}]`", def.name)),
            (Kind::Ints, Thing::Value(_)) => {
                diagnostic.help("a layer's value comes from the left: `value |> layer(…)`")
            }
            (Kind::Ints, Thing::Tuple(_)) => diagnostic.help("a list has square brackets: `[2, 3]`"),
            (Kind::Pair(_), Thing::Taps(_) | Thing::List(_)) if def.name == "kernel" => {
                diagnostic.help("`kernel` is a size; taps are given by `weight=`, or to `filter(taps)`")
            }
            (Kind::Pad, Thing::Tuple(items)) if items.len() == 4 => {
                diagnostic.help("four sides are `((top, bottom), (left, right))`")
            }
            (Kind::Flag, Thing::Int(_)) => diagnostic.help(format!("`{}=true` or `{0}=false`", def.name)),
            _ => diagnostic,
        }
    }

    fn wrong_word(&mut self, def: &Arg, kind: Kind, word: &str, span: Span) -> Option<Setting> {
        // A word that came through a block's parameter.
        if let Some(&known) = kind.words().iter().find(|w| **w == word) {
            return match kind {
                Kind::Flag | Kind::Bias => Some(Setting::Flag(known == "true")),
                Kind::Pad => padding(known).map(|p| Setting::Pad([p; 2])),
                _ => Some(Setting::Word(known)),
            };
        }
        let text = format!("`{}` takes {}, not `{word}`", def.name, kind.describe());
        let code = if kind.words().is_empty() { Code::WrongKind } else { Code::UnknownWord };
        let diagnostic = Diagnostic::error(code, span, text);
        let diagnostic = match (kind, word) {
            (Kind::Flag, "True" | "yes" | "on") => diagnostic.help("did you mean `true`?"),
            (Kind::Flag, "False" | "no" | "off") => diagnostic.help("did you mean `false`?"),
            _ => Self::suggest(diagnostic, word, kind.words().iter().copied()),
        };
        self.report(diagnostic);
        None
    }

    fn two(&mut self, items: &[Item], least: u64, what: &str) -> Option<[u64; 2]> {
        let both: Vec<Option<u64>> =
            items.iter().map(|item| self.whole_of(&item.thing, item.span, least, what)).collect();
        match both.as_slice() {
            [Some(a), Some(b)] => Some([*a, *b]),
            _ => None,
        }
    }

    /// `(h, w)` or `((top, bottom), (left, right))`, mixed where that is clear.
    fn sides(&mut self, items: &[Item], what: &str) -> Option<Setting> {
        let both: Vec<Option<Padding>> = items
            .iter()
            .map(|item| match &item.thing {
                Thing::Tuple(pair) if pair.len() == 2 => {
                    self.two(pair, 0, what).map(|[before, after]| Padding::Sides(before, after))
                }
                thing => self.whole_of(thing, item.span, 0, what).map(|v| Padding::Sides(v, v)),
            })
            .collect();
        match both.as_slice() {
            [Some(a), Some(b)] => Some(Setting::Pad([*a, *b])),
            _ => None,
        }
    }

    /// `((y0, y1), (x0, x1))`
    fn region(&mut self, items: &[Item], def: &Arg, span: Span) -> Option<Setting> {
        let mut region = [[0.0; 2]; 2];
        let mut wrong = false;
        for (side, item) in region.iter_mut().zip(items) {
            let Thing::Tuple(pair) = &item.thing else {
                if matches!(item.thing, Thing::Unknown) {
                    return None;
                }
                wrong = true;
                continue;
            };
            wrong |= pair.len() != 2;
            for (slot, item) in side.iter_mut().zip(pair.iter()) {
                match item.thing.number() {
                    Some(value) => *slot = self.narrow(value, item.span).map(|_| value)?,
                    None if matches!(item.thing, Thing::Unknown) => return None,
                    None => wrong = true,
                }
            }
        }
        if wrong {
            let text = format!("`{}` takes {}", def.name, def.kind.describe());
            self.error(Code::WrongKind, span, text);
            return None;
        }
        Some(Setting::Region(region))
    }

    fn positive(&mut self, thing: &Thing, span: Span, what: &str) -> Option<f64> {
        match thing.number() {
            Some(v) if v > 0.0 && v.is_finite() => Some(v),
            Some(v) => {
                self.error(Code::OutOfRange, span, format!("{what} must be above 0, and this is {v}"));
                None
            }
            None if matches!(thing, Thing::Unknown) => None,
            None => {
                let text = format!("{what} takes a number, and this is {}", thing.describe());
                self.error(Code::WrongKind, span, text);
                None
            }
        }
    }

    fn whole_list(&mut self, items: &[Item], what: &str) -> Option<Vec<i64>> {
        let mut out = Vec::with_capacity(items.len());
        let mut ok = true;
        for item in items {
            match &item.thing {
                Thing::Int(v) => out.push(*v),
                Thing::Unknown => ok = false,
                other => {
                    ok = false;
                    let code = if other.number().is_some() { Code::NotWhole } else { Code::WrongKind };
                    let text = format!("{what} takes whole numbers, and this is {}", other.describe());
                    self.error(code, item.span, text);
                }
            }
        }
        ok.then_some(out)
    }

    fn numbers(&mut self, items: &[Item]) -> Option<Vec<f64>> {
        let mut out = Vec::with_capacity(items.len());
        let mut ok = true;
        for item in items {
            match item.thing.number() {
                Some(v) => {
                    ok &= self.narrow(v, item.span).is_some();
                    out.push(v);
                }
                None => {
                    ok = false;
                    if !matches!(item.thing, Thing::Unknown) {
                        let text =
                            format!("a list of numbers is needed, and this is {}", item.thing.describe());
                        self.error(Code::WrongKind, item.span, text);
                    }
                }
            }
        }
        ok.then_some(out)
    }
}

fn padding(word: &str) -> Option<Padding> {
    match word {
        "same" => Some(Padding::Same),
        "same_lower" => Some(Padding::SameLower),
        "same_upper" => Some(Padding::SameUpper),
        "valid" => Some(Padding::Valid),
        _ => None,
    }
}
