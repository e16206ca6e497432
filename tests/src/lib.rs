//! Black-box tests and their shared parts: a server process on a database of its own, and programs that run against it.
//!
//! `cargo xtask test` gives the tests what they need. Its variables, for those who start `cargo test` themselves:
//!
//! | variable | meaning | without it |
//! |---|---|---|
//! | `PERDURE_TEST_SERVER` | the `perdure` binary | the one in the target folder of the test |
//! | `PERDURE_TEST_POSTGRES` | URL of a PostgreSQL where databases may be created | tests on PostgreSQL fail and say so |
//! | `PERDURE_TEST_PYTHON` | interpreter with the packages of `examples/` and `tests/requirements.txt` | `venv/bin/python` in the target folder |
//! | `PERDURE_TEST_GO` | the `go` command | the test of the Go SDK passes without a look at it |
//! | `PERDURE_TEST_LOG` | the server's log level | `warn` |
//! | `PERDURE_TEST_SHOW` | what programs write goes to the terminal | it is shown where the test fails |
//! | `PERDURE_CRASH_KILLS` | how often the crash tests kill the server | 20 |
//! | `PERDURE_CRASH_SEED` | the seed of their random moments | a fresh one, printed |
//! | `PERDURE_FUZZ_SEED` | the seed of the random requests | a fresh one, printed |
//! | `PERDURE_FUZZ_MINUTES` | how long they go on | a fixed number of them |
//! | `PERDURE_STRESS_SECONDS` | how long the mixture of everything goes on | 15 |
//! | `PERDURE_STRESS_KILLS` | meanwhile the server is killed so often | never |
//!
//! What a server or a program writes is in `test-logs/` in the target folder.

mod database;
mod folders;
mod program;
pub mod raw;
pub mod rest;
mod server;

pub use database::Database;
pub use folders::fresh_folder;
pub use program::{go, python, python_within};
pub use server::{Server, perdure, perdure_load};

pub use xtask::{http, ports};
