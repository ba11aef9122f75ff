//! Which bytes a kernel and a step can touch.
