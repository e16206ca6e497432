//! One transition in the making: the state moves with each change that is emitted.

use perdure_proto::api::{
    common::Link,
    history::{HistoryEvent, history_event::Attributes},
    sdk::{EventGroupMarker, UserMetadata},
};

use crate::{
    apply::Corrupt,
    change::{Change, DurableChange, Kind, VolatileChange},
    ctx::Ctx,
    event::{changes_visibility, event_type},
    outcome::{Notice, Outcome, Task, encode_event},
    state::{Nanos, WorkflowState},
    system_attributes,
    time::timestamp,
    versioning, workflow_task,
};

/// The only way by which the machines change a run.
pub(crate) struct Tx<'a, 'c> {
    pub(crate) state: &'a mut WorkflowState,
    pub(crate) ctx: &'a mut Ctx<'c>,
    pub(crate) out: Outcome,
    /// Set while commands are executed: a workflow task that is wanted now is scheduled after the last of them.
    pub(crate) completing: bool,
    pub(crate) task_wanted: bool,
    /// Set when an emitted change contradicted the state: a defect of the engine, reported at the end of the step.
    pub(crate) corrupt: Option<Corrupt>,
    /// What the server's own search attributes said before the first change that may have touched them.
    shown_before: Option<[Vec<String>; 2]>,
}

/// What an event carries beside its attributes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct EventExtras {
    pub(crate) links: Vec<Link>,
    pub(crate) user_metadata: Option<Box<UserMetadata>>,
    pub(crate) event_group_markers: Vec<EventGroupMarker>,
    pub(crate) worker_may_ignore: bool,
    /// Time of the event; None: now. Transient tasks are written later than they happened.
    pub(crate) time: Option<Nanos>,
}

impl<'a, 'c> Tx<'a, 'c> {
    pub(crate) fn new(state: &'a mut WorkflowState, ctx: &'a mut Ctx<'c>) -> Self {
        let out = Outcome::default();
        Self { state, ctx, out, completing: false, task_wanted: false, corrupt: None, shown_before: None }
    }

    pub(crate) fn now(&self) -> Nanos {
        self.ctx.now
    }

    /// Writes an event into the history and returns its id.
    pub(crate) fn event(&mut self, attributes: Attributes) -> i64 {
        self.event_with(attributes, EventExtras::default())
    }

    pub(crate) fn event_with(&mut self, attributes: Attributes, extras: EventExtras) -> i64 {
        workflow_task::settle_speculative(self);
        let event = self.build(attributes, extras);
        self.write(event)
    }

    /// Writes an event, or keeps it back while a workflow task is started: what the worker answers must not meet
    /// history that the worker has not seen. For events that come from outside, never for those of commands.
    /// A kept event takes its effect on the state at once (see `apply`), only its id waits. Returns the id; 0: kept.
    pub(crate) fn event_or_buffer(&mut self, attributes: Attributes) -> i64 {
        self.event_or_buffer_with(attributes, EventExtras::default())
    }

    pub(crate) fn event_or_buffer_with(&mut self, attributes: Attributes, extras: EventExtras) -> i64 {
        workflow_task::settle_speculative(self);
        if workflow_task::is_started(self.state) {
            self.buffer(attributes, extras);
            return 0;
        }
        let event = self.build(attributes, extras);
        self.write(event)
    }

    /// Keeps an event back until the buffer is flushed, whatever the workflow task does.
    pub(crate) fn buffer(&mut self, attributes: Attributes, extras: EventExtras) {
        let event = HistoryEvent { event_id: 0, ..self.build(attributes, extras) };
        self.durable(Kind::EventBuffered(Box::new(event)));
    }

    /// Appends a complete event, whose id must be the next one.
    pub(crate) fn write(&mut self, event: HistoryEvent) -> i64 {
        let id = event.event_id;
        self.out.visibility_changed |= changes_visibility(&event);
        let encoded = encode_event(&event);
        let versions = versioning::basis(&self.state.run, &event);
        self.change(Change::Event { event: Box::new(event), encoded });
        if let Some(before) = versions {
            self.out.visibility_changed |= before.is_counted_otherwise(&self.state.run);
            self.out.visibility_may_wait |= before.differs(&self.state.run);
        }
        id
    }

    pub(crate) fn durable(&mut self, kind: Kind) {
        self.change(Change::Durable(DurableChange { kind: Some(kind) }));
    }

    pub(crate) fn volatile(&mut self, change: VolatileChange) {
        self.change(Change::Volatile(change));
    }

    pub(crate) fn task(&mut self, task: Task) {
        self.out.tasks.push(task);
    }

    pub(crate) fn notice(&mut self, notice: Notice) {
        self.out.notices.push(notice);
    }

    /// An event with the next id, not yet in the history.
    fn build(&self, attributes: Attributes, extras: EventExtras) -> HistoryEvent {
        HistoryEvent {
            event_id: self.state.run.next_event_id,
            event_time: Some(timestamp(extras.time.unwrap_or(self.ctx.now))),
            event_type: event_type(&attributes) as i32,
            worker_may_ignore: extras.worker_may_ignore,
            user_metadata: extras.user_metadata,
            links: extras.links,
            event_group_markers: extras.event_group_markers,
            attributes: Some(attributes),
            ..Default::default()
        }
    }

    /// The server's own search attributes say something else than before.
    pub(crate) fn shows_otherwise(&self) -> bool {
        self.shown_before.as_ref().is_some_and(|before| *before != system_attributes::shown(&self.state.run))
    }

    fn change(&mut self, change: Change) {
        if self.shown_before.is_none() && system_attributes::may_touch(&self.state.run, &change) {
            self.shown_before = Some(system_attributes::shown(&self.state.run));
        }
        if let Err(corrupt) = self.state.apply(&change) {
            debug_assert!(false, "{corrupt}: {change:?}");
            self.corrupt.get_or_insert(corrupt);
        }
        self.out.changes.push(change);
    }
}
