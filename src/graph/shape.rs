//! Shape rules: checked arithmetic, formulas with their numbers.
