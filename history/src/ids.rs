//! New ids for the engine.

use perdure_engine::Ids;
use uuid::Uuid;

/// UUIDv7 for runs, so that the rows of a slot lie in order of their start; UUIDv4 for the rest.
#[derive(Debug, Default)]
pub(crate) struct RandomIds;

impl Ids for RandomIds {
    fn run_id(&mut self) -> String {
        Uuid::now_v7().to_string()
    }

    fn message_id(&mut self) -> String {
        Uuid::new_v4().to_string()
    }
}
