//! The stable codes of diagnostics. `docs/errors.md` shows each with an example that a test compiles.

/// Declares the codes: variant, number, and a one-line title for lists.
macro_rules! codes {
    ($($variant:ident = $number:literal, $title:literal;)*) => {
        /// What kind of mistake a diagnostic is about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $title] $variant,)*
        }

        impl Code {
            /// Every code, in the order of their numbers.
            pub const ALL: &'static [Code] = &[$(Code::$variant),*];

            /// The code as it is printed, `E0301`.
            pub const fn number(self) -> &'static str {
                match self { $(Code::$variant => $number,)* }
            }

            /// A one-line title.
            pub const fn title(self) -> &'static str {
                match self { $(Code::$variant => $title,)* }
            }
        }
    };
}

codes! {
    // E00: the file itself.
    TextTooLong = "E0001", "the text is longer than the limit";
    NotUtf8 = "E0002", "the text is not valid UTF-8";
    TooNested = "E0003", "brackets are nested too deeply";
    // E01: syntax.
    Syntax = "E0101", "the text does not follow the grammar";
    Unclosed = "E0102", "a bracket is not closed";
    BadNumber = "E0103", "a number cannot be represented";
    BadString = "E0104", "a string is not closed or has an unknown escape";
    BadCharacter = "E0105", "a character is not part of the language";
    OutsideModel = "E0106", "a statement stands outside of a model";
    TooManyErrors = "E0199", "there are more errors than are shown";
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.number())
    }
}
