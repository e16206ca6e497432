//! The HTTP/JSON API, and what Temporal's web UI asks.

mod bodies;
mod calls;
mod routes;
mod ui;
