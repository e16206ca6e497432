//! Schedules: their times against an independent calculation, and what they do.

mod machine;
mod spec;
