//! The Cranelift emitter: f32x4 on any host.
