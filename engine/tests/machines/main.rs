//! Each machine of the engine from outside: one input after the other, and what each leads to.

mod activity;
mod activity_data;
mod activity_operations;
mod bad_values;
mod callback;
mod child;
mod close;
mod commands;
mod delete;
mod describe;
mod external;
mod import;
mod nexus;
mod nexus_commands;
mod pause;
mod requests;
mod reset;
mod standalone_activity;
mod standalone_nexus;
mod start;
mod timer;
mod update_callbacks;
mod versioning;
mod workflow_task;
mod world;
