mod each;
mod harness;
#[cfg(all(target_arch = "x86_64", unix))]
mod native;
mod random;
mod shape;
mod wide;
