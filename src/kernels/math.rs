//! Elementary functions as vector code, with their error bounds.
