//! Direct tasks: they live in memory only, while a caller waits for their answer. Queries (`query.rs`) and Nexus requests
//! (`nexus.rs`).

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use crate::{
    Directive, QueryAnswer, QueryTask,
    nexus::{NexusAnswer, NexusTask, Receipt},
    queue::Queue,
};

#[derive(Debug)]
pub(crate) enum DirectTask {
    Query(Box<QueryTask>),
    Nexus(Box<NexusTask>),
}

impl DirectTask {
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Query(query) => &query.task_id,
            Self::Nexus(task) => &task.task_id,
        }
    }

    /// Which workers may have it. A Nexus request belongs to no workflow of this queue: its own id stands for one.
    pub(crate) fn directive(&self) -> Directive {
        match self {
            Self::Query(query) => query.directive.clone(),
            Self::Nexus(task) => Directive::by_routing(&task.task_id),
        }
    }
}

#[derive(Debug)]
pub(crate) enum DirectAnswer {
    Query(QueryAnswer),
    Nexus(Box<NexusAnswer>, Receipt),
}

/// Why a caller got no answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unanswered {
    /// Its queue was unloaded, or the server shuts down.
    Refused,
    /// The deadline passed.
    Late,
}

/// Who waits for the answer. Dropping it forgets the task.
pub(crate) struct Caller {
    pub(crate) queue: Arc<Queue>,
    pub(crate) task_id: String,
    pub(crate) directive: Directive,
    pub(crate) answer: oneshot::Receiver<DirectAnswer>,
}

impl Caller {
    pub(crate) async fn wait(&mut self, deadline: Instant) -> Result<DirectAnswer, Unanswered> {
        match timeout_at(deadline, &mut self.answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(Unanswered::Refused),
            Err(_) => Err(Unanswered::Late),
        }
    }

    /// By a worker that may have the task.
    pub(crate) fn was_polled_within(&self, window: Duration) -> bool {
        self.queue.lock().polled_for(&self.directive, window)
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.queue.shared.forget_caller(&self.task_id);
        self.queue.lock().forget_direct(&self.task_id);
    }
}
