//! Names in the text, and the keys of weights made from them.

use super::Unnamed;
use super::scope::{Checker, Scope};
use super::table;
use super::thing::{Id, Thing};
use crate::diag::{Code, Diagnostic};
use crate::graph::{Param, ParamRole};
use crate::limits;
use crate::source::Span;
use crate::syntax::ast::{Name, NamePart};

/// Where the weights of a layer are found.
#[derive(Clone, Debug)]
pub(super) struct Key {
    /// The prefix of its tensors and the name of its node.
    pub prefix: String,
    /// Whether `key=` gave it.
    pub explicit: bool,
    /// The name of the layer's node.
    pub node: String,
}

/// Whether a name cannot be given to a value.
pub(super) fn reserved(name: &str) -> bool {
    matches!(name, "it" | "input" | "true" | "false")
}

impl<'a> Checker<'a> {
    /// A name with its interpolations put in; `None` if it failed or waits for a size.
    pub fn name_text(&mut self, name: &'a Name) -> Option<String> {
        let mut text = String::new();
        for part in &name.parts {
            match part {
                NamePart::Text(part) => text.push_str(part),
                NamePart::Index(expr) => {
                    text.push_str(&self.whole(expr, 0, "an index in a name")?.to_string())
                }
            }
        }
        if text.len() + self.scope.prefix.len() > limits::NAME_BYTES {
            self.error(
                Code::NameTooLong,
                name.span,
                format!("the name, with its prefixes, has more than {} bytes", limits::NAME_BYTES),
            );
            return None;
        }
        Some(text)
    }

    /// Reports a name that may not be given to anything.
    pub fn reserved(&mut self, name: &str, span: Span) {
        let what = match name {
            "it" => "the current value",
            "input" => "what a block is applied to",
            _ => "a word of the language",
        };
        self.error(Code::ReservedName, span, format!("`{name}` is {what} and cannot be a name"));
    }

    /// Reports a name that nothing has.
    pub fn undefined(&mut self, name: &str, span: Span) {
        let diagnostic = Diagnostic::error(Code::UnknownName, span, format!("`{name}` is not defined"));
        let values = self.scope.names.keys().map(String::as_str);
        let diagnostic = match table::function(name) {
            Some(function) if function.makes_taps() => {
                diagnostic.help(format!("`{name}(…)` with its settings makes a kernel"))
            }
            Some(_) => diagnostic.help(format!("`{name}(…)` is a function")),
            None => {
                let layers = table::LAYERS.iter().map(|l| l.name);
                let functions = table::FUNCTIONS.iter().map(|f| f.name);
                let defined = self.kernels.keys().chain(self.blocks.keys()).copied();
                let all = values.chain(["it", "input"]).chain(defined).chain(layers).chain(functions);
                Self::suggest(diagnostic, name, all)
            }
        };
        self.report(diagnostic);
    }

    /// The key of a layer: what `key=` says, else its name, else one made up where that will do.
    pub fn key(&mut self, given: Option<String>, name: Option<&str>, layer: &'static str, span: Span) -> Key {
        if let Some(given) = given {
            let prefix = format!("{}{given}", self.scope.prefix);
            let node = name.map_or(prefix.clone(), |name| format!("{}{name}", self.scope.prefix));
            return Key { prefix, explicit: true, node: self.drafts.named(&node) };
        }
        self.hold_to_names(name.is_some(), layer, span);
        match name {
            Some(name) => {
                let prefix = format!("{}{name}", self.scope.prefix);
                let node = self.drafts.named(&prefix);
                Key { prefix, explicit: false, node }
            }
            None => {
                let prefix = self.made_up(layer);
                Key { prefix: prefix.clone(), explicit: false, node: prefix }
            }
        }
    }

    /// Reports weights that cannot be found in a file because a name is missing.
    pub fn hold_to_names(&mut self, named: bool, layer: &str, span: Span) {
        self.nameless = None;
        if self.names_needed && (!named || self.scope.unnamed.is_some()) {
            self.report_nameless(layer, span);
            self.nameless = Some(self.scope.unnamed.unwrap_or(span));
        }
    }

    /// A prefix for something without a name: `conv_1`. No parameter has it yet.
    pub fn made_up(&mut self, stem: &str) -> String {
        let stem = format!("{}{stem}", self.scope.prefix);
        self.drafts.generated(&stem)
    }

    fn report_nameless(&mut self, layer: &str, span: Span) {
        let diagnostic = match self.scope.unnamed {
            Some(place) => Diagnostic::error(
                Code::UnnamedWeights,
                place,
                "this use of a block has no name, so the weights in it cannot be found in the file",
            )
            .also(span, format!("this `{layer}` has weights"))
            .help("name it, `part1 = …`: its name is the prefix of its tensors"),
            None => Diagnostic::error(
                Code::UnnamedWeights,
                span,
                format!("this `{layer}` has weights but no name to find them by in the file"),
            )
            .help(format!("name it, `{layer}1 = …`, or give its tensors' prefix, `key=\"…\"`")),
        };
        self.report(diagnostic);
    }

    /// A parameter `prefix.suffix`; the one that is there already where weights are shared.
    pub fn param(
        &mut self,
        key: &Key,
        suffix: &str,
        alias: Option<&str>,
        dims: Vec<u64>,
        role: ParamRole,
        span: Span,
    ) -> Option<Id> {
        if let Some(span) = self.nameless.take() {
            self.unnamed.push(Unnamed { span, dims: dims.clone() });
        }
        let aliases = alias.map(|a| format!("{}.{a}", key.prefix)).into_iter().collect();
        let full = format!("{}.{suffix}", key.prefix);
        self.weight(Param { key: full, aliases, dims, role, span }, key.explicit)
    }

    /// A parameter; the one that is there already where weights are shared.
    pub fn weight(&mut self, param: Param, explicit: bool) -> Option<Id> {
        let Param { key, dims, span, .. } = &param;
        if let Some(&(id, shares)) = self.drafts.keys.get(key) {
            return self.shared(key, id, shares || explicit, dims, *span);
        }
        let elements = dims.iter().try_fold(1u64, |n, &d| n.checked_mul(d));
        if elements.is_none_or(|n| n > limits::ELEMENTS) {
            let text =
                format!("its weight {dims:?} has more elements than the limit of {}", limits::ELEMENTS);
            self.error(Code::TooManyElements, *span, text);
            return None;
        }
        Some(self.drafts.param(param, explicit))
    }

    fn shared(&mut self, key: &str, id: Id, wanted: bool, dims: &[u64], span: Span) -> Option<Id> {
        let node = self.drafts.nodes.get(id.index())?;
        let (first, place) = (node.shape.clone()?, node.span);
        if !wanted {
            let text = format!("the weights of two layers would both be `{key}`");
            let diagnostic =
                Diagnostic::error(Code::DuplicateKey, span, text).also(place, "the first is here");
            self.report(
                diagnostic
                    .help("`key=\"…\"` in one of them shares the weights, another name keeps them apart"),
            );
            return None;
        }
        if first.concrete().is_none_or(|ty| ty.dims != dims) {
            let text = format!("`{key}` is shared, but would be {dims:?} here and {first} there");
            self.report(Diagnostic::error(Code::SharedShape, span, text).also(place, "the first is here"));
            return None;
        }
        Some(id)
    }

    /// Binds a name of the current scope.
    pub fn bind(&mut self, name: String, thing: Thing, span: Span) {
        if reserved(&name) {
            return self.reserved(&name, span);
        }
        if let Some(binding) = self.scope.names.get(&name) {
            let first = binding.span;
            let again = first == span;
            let text = if again {
                format!("`{name}` would be bound again in the next round")
            } else {
                format!("`{name}` is bound twice")
            };
            let diagnostic = Diagnostic::error(Code::DuplicateName, span, text);
            let diagnostic = if again {
                diagnostic.help(format!("put the counter in: `{name}.{{i}}` under `repeat … as i`"))
            } else {
                diagnostic.also(first, "the first is here").help("a name is bound once: choose another")
            };
            return self.report(diagnostic);
        }
        self.scope.names.insert(name, super::scope::Binding { thing, span });
    }

    /// Runs something in a new scope and returns what was left in it.
    pub fn in_scope<T>(&mut self, scope: Scope, run: impl FnOnce(&mut Self) -> T) -> (T, Scope) {
        let outer = std::mem::replace(&mut self.scope, scope);
        let result = run(self);
        (result, std::mem::replace(&mut self.scope, outer))
    }
}

/// Whether a name is that of a layer that can stand without settings.
pub(super) fn bare_layer(name: &str) -> bool {
    table::layer(name).is_some_and(|l| l.args.iter().all(|a| !a.required) && l.name != "conv")
}
