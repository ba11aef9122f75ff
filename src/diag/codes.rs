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
    // E02: names and what they may stand for.
    UnknownName = "E0201", "a name is not defined";
    UnknownLayer = "E0202", "there is no layer, block or function of that name";
    DuplicateName = "E0203", "a name is bound twice";
    AmbiguousName = "E0204", "a name is both a value and a layer";
    NoCurrentValue = "E0205", "there is no current value";
    RecursiveBlock = "E0206", "a block uses itself";
    NoModel = "E0207", "the file has no model, or none of that name";
    SeveralModels = "E0208", "the file has several models and none was chosen";
    NoInput = "E0209", "a model has no input";
    NoResult = "E0210", "a model or block computes nothing";
    Misplaced = "E0211", "a statement stands where it may not";
    UnnamedWeights = "E0212", "a layer with weights has no name to find them by";
    LayerAsValue = "E0213", "a layer stands where a value is needed";
    ValueAsLayer = "E0214", "something that is not a layer stands where one is needed";
    ReservedName = "E0215", "a name is reserved";
    UnknownSize = "E0216", "a size was given that the model does not have";
    DuplicateKey = "E0217", "two layers have the same weights without saying so";
    // E03: settings and arithmetic.
    UnknownSetting = "E0301", "a layer, block or function has no such setting";
    MissingSetting = "E0302", "a setting is missing";
    DuplicateSetting = "E0303", "a setting is given twice";
    WrongKind = "E0304", "a setting is of the wrong kind";
    OutOfRange = "E0305", "a setting is out of range";
    UnknownWord = "E0306", "a setting does not know that word";
    TooManySettings = "E0307", "more settings without a name than there are";
    Conflict = "E0308", "two settings contradict each other";
    NotWhole = "E0309", "a number is not whole where it must be";
    Overflow = "E0310", "a result of arithmetic is too large";
    DivisionByZero = "E0311", "a division by zero";
    BadTaps = "E0312", "taps do not form a kernel";
    AmbiguousSame = "E0313", "`pad=same` means different things here";
    // E04: shapes.
    WindowTooLarge = "E0401", "a kernel is larger than its padded input";
    WrongRank = "E0402", "a value has too few or too many axes";
    WrongChannels = "E0403", "a layer says another number of channels than it gets";
    BadGroups = "E0404", "channels cannot be split into that many groups";
    Broadcast = "E0405", "shapes do not go together";
    ConcatShapes = "E0406", "shapes cannot be joined";
    WrongNote = "E0407", "a shape is not what its note says";
    BorderTooLarge = "E0408", "a border reaches farther than the input";
    EmptyWindow = "E0409", "a window of a pool sees only padding";
    CropTooLarge = "E0410", "a crop leaves nothing";
    ShuffleChannels = "E0411", "channels cannot be shuffled into pixels";
    BadOutputPad = "E0412", "an output padding is too large";
    SharedShape = "E0413", "shared weights would have different shapes";
    InputShape = "E0414", "an input has another shape than the model declares";
    SizeConflict = "E0415", "a size is bound to two numbers";
    NotFlat = "E0416", "a linear layer gets a value that is not flat";
    TapsChannels = "E0417", "taps do not fit the channels";
    BadAxis = "E0418", "there is no such axis";
    ListLength = "E0419", "a list has another length than there are channels";
    EmptyShape = "E0420", "a shape would have an axis of length 0";
    ElementCount = "E0421", "a reshape would change the number of elements";
    MatrixShapes = "E0422", "matrices cannot be multiplied";
    SideFactor = "E0423", "a side cannot be split into blocks";
    AxisList = "E0424", "a list does not fit the axes of a value";
    // E05: weights.
    WeightFile = "E0501", "a weight file cannot be read";
    MissingTensor = "E0502", "the weight file lacks a tensor";
    TensorShape = "E0503", "a tensor has another shape than its layer wants";
    TensorType = "E0504", "a tensor holds a type of number that is not read";
    ExtraTensor = "E0505", "the weight file has tensors that the model does not use";
    ParamMemory = "E0506", "there is not enough memory for the parameters";
    // E07: limits.
    TooManyStatements = "E0701", "blocks and repeats expand to too much";
    TooDeep = "E0702", "blocks use blocks too deeply";
    DimTooLarge = "E0703", "an axis is too long";
    TooManyElements = "E0704", "a value or weight has too many elements";
    TooManyAxes = "E0705", "a value has too many axes";
    WindowLimit = "E0706", "a kernel, stride, dilation or padding is too large";
    TooManyTaps = "E0707", "taps have too many elements";
    NameTooLong = "E0708", "a name is too long";
    // W02: what is probably not meant.
    UnusedValue = "W0201", "a value is never used";
    UnusedKernel = "W0202", "a kernel is never used";
    UnusedBlock = "W0203", "a block is never used";
    UnusedInput = "W0204", "an input is never used";
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.number())
    }
}
