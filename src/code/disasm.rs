//! Machine code as text.
