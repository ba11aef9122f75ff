//! The library's face: models, programs, sessions.
