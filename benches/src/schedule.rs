//! Schedules that each start a workflow every second, and how late they are.

use std::{
    collections::HashMap,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use perdure_proto::api::{
    common::WorkflowType,
    enums::ScheduleOverlapPolicy,
    schedule::{
        IntervalSpec, Schedule, ScheduleAction, SchedulePolicies, ScheduleSpec, ScheduleState, schedule_action::Action,
    },
    taskqueue::TaskQueue,
    workflow::NewWorkflowExecutionInfo,
    workflowservice::{CreateScheduleRequest, DeleteScheduleRequest, DescribeScheduleRequest},
};
use prost_types::Timestamp;
use tokio::{
    sync::mpsc::Receiver,
    time::{sleep, timeout},
};
use uuid::Uuid;

use crate::{
    client::SHORT,
    measure::{Meter, Settling},
    scenario::seconds,
    session::{AT_ONCE, Amount, Done, Session, micros},
    worker::Arrival,
};

const SCHEDULES: u32 = 200;
/// The first action is so long after the creation began: this, and for each schedule that, and the meter's own time.
const LEAD: Duration = Duration::from_secs(5);
const LEAD_EACH: Duration = Duration::from_millis(50);
/// How long may be spent on the deletion, which is not measured.
const DELETION_MAX: Duration = Duration::from_secs(60);

/// Schedules of one measurement. All act at the same moments, once per second: that is the grain of an interval.
struct Schedules {
    ids: Vec<String>,
    actions_each: u32,
    /// Of the first actions, in seconds since 1970.
    first: u64,
}

/// What the worker has seen of one schedule: the run of each time, in seconds since 1970.
type Seen = HashMap<u64, String>;

/// Makes the schedules, measures their actions, checks that each was there once, and deletes them.
pub(crate) async fn measure(
    session: &Session,
    amount: Amount,
    arrivals: Receiver<Arrival>,
    meter: &mut Meter<'_>,
) -> Result<(Done, Settling)> {
    let schedules = Schedules::planned(amount, meter.settling_time())?;
    let result = schedules.measure(session, arrivals, meter).await;
    // Whatever came of it: they must not go on.
    let deletions = schedules.ids.iter().map(|id| delete(session, id));
    let deleted = timeout(DELETION_MAX, stream::iter(deletions).buffer_unordered(AT_ONCE).try_collect::<()>()).await;
    let result = result?;
    deleted.context("the deletion of the schedules took too long")??;
    Ok(result)
}

impl Schedules {
    fn planned(amount: Amount, settling_time: Duration) -> Result<Self> {
        let (count, actions_each) = match amount {
            Amount::Count(count) => (count.min(SCHEDULES), count.div_ceil(SCHEDULES)),
            Amount::During(time) => (SCHEDULES, u32::try_from(time.as_secs().max(1)).unwrap_or(u32::MAX)),
        };
        let lead = LEAD + LEAD_EACH * count + settling_time;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock stands before 1970")?;
        let prefix = Uuid::new_v4();
        let ids = (0..count).map(|number| format!("perdure-load-{prefix}-{number}")).collect();
        Ok(Self { ids, actions_each, first: (now + lead).as_secs() + 1 })
    }

    async fn measure(
        &self,
        session: &Session,
        mut arrivals: Receiver<Arrival>,
        meter: &mut Meter<'_>,
    ) -> Result<(Done, Settling)> {
        let creations = self.ids.iter().map(|id| create(session, self.schedule(session, id), id));
        stream::iter(creations).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        let first = UNIX_EPOCH + Duration::from_secs(self.first);
        let settled = SystemTime::now() + meter.settling_time();
        ensure!(settled < first, "{} schedules were not made before their first actions", self.ids.len());
        meter.worked();
        let before = meter.begin().await?;
        // The rest of the wait is left out of the measurement's time, and costs what an idle server costs.
        sleep(first.duration_since(SystemTime::now()).unwrap_or_default()).await;
        let begin = Instant::now();
        let mut done = Done::new()?;
        let mut seen: HashMap<&str, Seen> = self.ids.iter().map(|id| (id.as_str(), Seen::new())).collect();
        let expected = self.ids.len() * self.actions_each as usize;
        let bar = session.progress_bar(Amount::Count(expected as u32), "measuring");
        let all = async {
            while done.executions.len() < expected {
                let arrival = arrivals.recv().await.context("the worker stopped")?;
                if let Some(lateness) = self.note(&arrival, &mut seen)? {
                    done.latencies.record(micros(lateness))?;
                    done.executions.push(arrival.execution);
                    bar.inc(1);
                }
            }
            anyhow::Ok(())
        };
        let ended = timeout(session.limit, all).await;
        bar.finish_and_clear();
        ended.map_err(|_| session.time_limit(bar.position() as usize, "action"))??;
        done.elapsed = begin.elapsed();
        let settling = meter.end(before).await?;
        self.check(session, &done).await?;
        Ok((done, settling))
    }

    fn schedule(&self, session: &Session, id: &str) -> Schedule {
        let start = NewWorkflowExecutionInfo {
            workflow_id: id.to_owned(),
            workflow_type: Some(WorkflowType { name: session.plan.scenario.name() }),
            task_queue: Some(TaskQueue { name: session.plan.task_queue.clone(), ..Default::default() }),
            input: Some(session.plan.payload.clone()),
            ..Default::default()
        };
        let start_time = Timestamp { seconds: self.first as i64, nanos: 0 };
        Schedule {
            spec: Some(ScheduleSpec {
                interval: vec![IntervalSpec { interval: Some(seconds(1)), phase: None }],
                start_time: Some(start_time),
                ..Default::default()
            }),
            action: Some(ScheduleAction { action: Some(Action::StartWorkflow(start)) }),
            policies: Some(SchedulePolicies {
                overlap_policy: ScheduleOverlapPolicy::AllowAll.into(),
                ..Default::default()
            }),
            state: Some(ScheduleState {
                limited_actions: true,
                remaining_actions: self.actions_each.into(),
                ..Default::default()
            }),
        }
    }

    /// How late the action was; None: the run was seen before, its task came again.
    fn note(&self, arrival: &Arrival, seen: &mut HashMap<&str, Seen>) -> Result<Option<Duration>> {
        let workflow_id = &arrival.execution.workflow_id;
        // A schedule gives its workflows the id that they have in the action, and the time.
        let parts = workflow_id.match_indices('-').find_map(|(at, _)| {
            let time = workflow_id.get(at + 1..)?.parse::<Timestamp>().ok()?;
            Some((workflow_id.get(..at)?, u64::try_from(time.seconds).ok()?))
        });
        let (id, time) = parts.with_context(|| format!("{workflow_id} does not end with the time of its action"))?;
        let seen = seen.get_mut(id).with_context(|| format!("{workflow_id} is of no schedule"))?;
        let last = self.first + u64::from(self.actions_each) - 1;
        ensure!((self.first..=last).contains(&time), "{workflow_id} was not to be started");
        match seen.insert(time, arrival.execution.run_id.clone()) {
            None => {}
            Some(run_id) if run_id == arrival.execution.run_id => return Ok(None),
            Some(_) => bail!("{workflow_id} was started twice"),
        }
        let nominal = UNIX_EPOCH + Duration::from_secs(time);
        Ok(Some(arrival.at.duration_since(nominal).unwrap_or_default()))
    }

    /// Each workflow has completed, and no schedule did more than it should.
    async fn check(&self, session: &Session, done: &Done) -> Result<()> {
        session.check(&done.executions).await?;
        let checks = self.ids.iter().map(|id| self.check_one(session, id));
        stream::iter(checks).buffer_unordered(AT_ONCE).try_collect::<()>().await
    }

    async fn check_one(&self, session: &Session, id: &str) -> Result<()> {
        let client = &session.client;
        let request = DescribeScheduleRequest { namespace: client.namespace.to_string(), schedule_id: id.to_owned() };
        let response =
            client.call(request, SHORT, |mut stub, request| async move { stub.describe_schedule(request).await });
        let count = response.await.context("DescribeSchedule failed")?.info.unwrap_or_default().action_count;
        ensure!(count == i64::from(self.actions_each), "schedule {id} acted {count} times, not {}", self.actions_each);
        Ok(())
    }
}

async fn create(session: &Session, schedule: Schedule, id: &str) -> Result<()> {
    let client = &session.client;
    let request = CreateScheduleRequest {
        namespace: client.namespace.to_string(),
        schedule_id: id.to_owned(),
        schedule: Some(schedule),
        identity: client.identity.to_string(),
        request_id: Uuid::new_v4().to_string(),
        ..Default::default()
    };
    let response = client.call(request, SHORT, |mut stub, request| async move { stub.create_schedule(request).await });
    response.await.context("CreateSchedule failed")?;
    Ok(())
}

async fn delete(session: &Session, id: &str) -> Result<()> {
    let client = &session.client;
    let request = DeleteScheduleRequest {
        namespace: client.namespace.to_string(),
        schedule_id: id.to_owned(),
        identity: client.identity.to_string(),
    };
    let response = client.call(request, SHORT, |mut stub, request| async move { stub.delete_schedule(request).await });
    response.await.context("DeleteSchedule failed")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use perdure_proto::api::common::WorkflowExecution;

    use super::*;

    const FIRST: u64 = 1_800_000_000;

    fn arrival(workflow_id: &str, run_id: &str) -> Arrival {
        let execution = WorkflowExecution { workflow_id: workflow_id.into(), run_id: run_id.into() };
        Arrival { execution, at: UNIX_EPOCH + Duration::from_secs(FIRST) + Duration::from_millis(40) }
    }

    #[test]
    fn an_amount_is_spread_over_schedules() {
        let cases = [
            (Amount::Count(3), 3, 1),
            (Amount::Count(200), 200, 1),
            (Amount::Count(2_000), 200, 10),
            (Amount::During(Duration::from_secs(8)), 200, 8),
        ];
        for (amount, schedules, actions_each) in cases {
            let planned = Schedules::planned(amount, Duration::ZERO).unwrap();
            assert_eq!((planned.ids.len(), planned.actions_each), (schedules, actions_each), "{amount:?}");
        }
    }

    #[test]
    fn each_time_is_seen_once() {
        let schedules = Schedules { ids: vec!["a-1".into()], actions_each: 2, first: FIRST };
        let mut seen = HashMap::from([("a-1", Seen::new())]);
        let mut note = |id: &str, run_id: &str| schedules.note(&arrival(id, run_id), &mut seen);
        let lateness = note("a-1-2027-01-15T08:00:00Z", "r1").unwrap();
        assert_eq!(lateness, Some(Duration::from_millis(40)));
        assert_eq!(note("a-1-2027-01-15T08:00:00Z", "r1").unwrap(), None, "its task came again");
        let wrong = [
            ("a-1-2027-01-15T08:00:00Z", "r2", "twice"),
            ("a-1-2027-01-15T08:00:02Z", "r3", "not to be started"),
            ("a-2-2027-01-15T08:00:00Z", "r4", "of no schedule"),
            ("a-1", "r5", "does not end with the time"),
        ];
        for (id, run_id, why) in wrong {
            let error = note(id, run_id).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        assert!(note("a-1-2027-01-15T08:00:01Z", "r6").unwrap().is_some());
    }
}
