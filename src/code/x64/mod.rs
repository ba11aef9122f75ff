//! The x64 emitter: AVX2 + FMA, 256 bits, assembled with iced-x86.
