//! Nexus from outside: endpoints, operations whose handlers are workers or outside services, callbacks, and crashes.

#[macro_use]
mod world;

mod endpoints;
mod operations;
mod over_http;
mod standalone;
mod updates;
