//! Nexus from outside: endpoints, operations whose handlers are workers or outside services, callbacks, and crashes.

mod endpoints;
mod operations;
mod over_http;
mod world;
