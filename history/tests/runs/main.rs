//! Runs through shards on the store in memory, with a raw worker.

mod activity_operations;
mod deletions;
mod refused;
mod resets;
mod update_with_start;
mod updates;
mod workflows;
mod world;
