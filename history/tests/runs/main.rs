//! Runs through shards on the store in memory, with a raw worker.

mod updates;
mod workflows;
mod world;
