//! What kind of thing a run is.

/// All kinds are stored, stepped and woken alike. Runs of different kinds never meet: an id names one run of each.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Archetype {
    Workflow = 0,
    /// An activity without a workflow.
    Activity = 1,
    /// A Nexus operation without a workflow.
    NexusOperation = 2,
    Schedule = 3,
    /// A batch operation.
    Batch = 4,
}

impl Archetype {
    /// As it is stored.
    pub fn number(self) -> i16 {
        self as i16
    }
}

/// A number that this version does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("archetype {0} is not known to this version")]
pub struct UnknownArchetype(pub i16);

impl TryFrom<i16> for Archetype {
    type Error = UnknownArchetype;

    fn try_from(number: i16) -> Result<Self, UnknownArchetype> {
        Self::try_from(i32::from(number)).map_err(|_| UnknownArchetype(number))
    }
}
