//! What `cargo xtask` does, as a library so that the test suite can hold the same rules and use the same tools.

pub mod bench;
pub mod ci;
pub mod compat;
pub mod debian;
pub mod demo;
pub mod dist;
pub mod http;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod python;
pub mod server;
pub mod test;
pub mod tidy;
pub mod workspace;
