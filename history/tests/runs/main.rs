//! Runs through shards on the store in memory, with a raw worker.

mod activity_operations;
mod deletions;
mod imports;
mod lists;
mod refused;
mod resets;
mod retention;
mod standalone_activities;
mod update_with_start;
mod updates;
mod versions;
mod workflows;
mod world;
