//! Nexus from outside: endpoints, operations whose handlers are workers, outside services or the server itself, callbacks, and
//! crashes.

#[macro_use]
mod world;

mod callbacks;
mod endpoints;
mod operations;
mod over_http;
mod standalone;
mod system;
mod updates;
