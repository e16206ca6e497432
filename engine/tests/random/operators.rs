//! What operators and clients do to a run, beside signals and updates.

use perdure_engine::{
    ActivityOperation, ActivitySelector, Input, Jitter, OptionField, OptionsUpdate, PauseRequest, RunState,
    input::ExternalInitiator, schedule::ScheduleInput, standalone_activity::ActivityControl,
    standalone_nexus::NexusControl,
};
use perdure_proto::api::{
    activity::ActivityOptions,
    common::{Callback, callback},
    workflow::{
        VersioningOverride, WorkflowExecutionOptions,
        versioning_override::{Override, PinnedOverride, PinnedOverrideBehavior},
    },
};

use crate::{
    dice::{Dice, SECOND},
    inputs::{identity, version},
};

pub(crate) fn operate(run: &RunState, dice: &mut Dice) -> Input {
    let operation = Box::new(operation(dice));
    let ids = run.activities.values().map(|activity| activity.activity_id.clone());
    let activity = match dice.below(4) {
        0 => ActivitySelector::All,
        1 => ActivitySelector::Type("act".into()),
        _ => ActivitySelector::Id(dice.pick(ids).unwrap_or_default()),
    };
    Input::OperateActivity { activity, operation }
}

/// What is asked of an activity of its own.
fn control(dice: &mut Dice) -> ActivityControl {
    let (request_id, identity, reason) = (dice.name(), "client".to_owned(), "r".to_owned());
    match dice.below(8) {
        0 => ActivityControl::Terminate { request_id, identity, reason },
        1 | 2 => ActivityControl::Cancel { request_id, identity, reason },
        _ => ActivityControl::Operate { request_id, operation: operation(dice) },
    }
}

fn operation(dice: &mut Dice) -> ActivityOperation {
    let jitter = Jitter { within: dice.below(3) as i64 * SECOND, seed: dice.number() };
    match dice.below(8) {
        0 | 1 => ActivityOperation::Pause { identity: "operator".into(), reason: "r".into(), request_id: dice.name() },
        2 | 3 => ActivityOperation::Unpause { reset_attempts: dice.one_in(2), reset_heartbeat: dice.one_in(2), jitter },
        4 | 5 => ActivityOperation::Reset {
            reset_heartbeat: dice.one_in(2),
            keep_paused: dice.one_in(2),
            restore_options: dice.one_in(2),
            jitter,
        },
        6 => ActivityOperation::RestoreOptions,
        _ => ActivityOperation::UpdateOptions {
            options: Box::new(ActivityOptions {
                schedule_to_close_timeout: dice.duration(),
                start_to_close_timeout: dice.duration(),
                heartbeat_timeout: dice.duration(),
                retry_policy: dice.retry_policy(),
                ..Default::default()
            }),
            fields: vec![
                OptionField::ScheduleToCloseTimeout,
                OptionField::StartToCloseTimeout,
                OptionField::HeartbeatTimeout,
                OptionField::RetryPolicy,
            ],
        },
    }
}

/// Seldom things.
pub(crate) fn seldom(dice: &mut Dice) -> Input {
    let pause = PauseRequest { identity: "operator".into(), reason: "r".into(), request_id: dice.name() };
    match dice.below(20) {
        12 if dice.one_in(4) => Input::Delete,
        13 => Input::ControlActivity(Box::new(control(dice))),
        14 => Input::ControlNexusOperation(NexusControl::Terminate {
            request_id: dice.name(),
            identity: identity(),
            reason: "r".into(),
        }),
        15 => Input::Schedule(Box::new(ScheduleInput::ActionTold { action_id: dice.below(3) as i64 })),
        0 => Input::Terminate { reason: "r".into(), details: None, identity: identity(), links: Vec::new() },
        10 | 11 => Input::UpdateOptions(Box::new(options(dice))),
        1 => Input::WasReset { run_id: "another".into() },
        2..=4 => Input::ResetSticky,
        5 | 6 => Input::Pause(pause),
        7..=9 => Input::Unpause(pause),
        _ => Input::RequestCancel {
            reason: "r".into(),
            identity: identity(),
            request_id: dice.name(),
            external: dice.one_in(3).then(|| ExternalInitiator { workflow_id: "other".into(), ..Default::default() }),
            links: Vec::new(),
        },
    }
}

fn options(dice: &mut Dice) -> OptionsUpdate {
    let pinned = PinnedOverride { behavior: PinnedOverrideBehavior::Pinned.into(), version: version(dice) };
    let versioning_override = match dice.below(3) {
        0 => None,
        1 => Some(Override::AutoUpgrade(true)),
        _ => Some(Override::Pinned(pinned)),
    };
    let options = WorkflowExecutionOptions {
        versioning_override: versioning_override
            .map(|chosen| VersioningOverride { r#override: Some(chosen), ..Default::default() }),
        ..Default::default()
    };
    OptionsUpdate { options, paths: vec!["versioning_override".into()], identity: "operator".into() }
}

pub(crate) fn attach(dice: &mut Dice) -> Input {
    Input::AttachStart {
        request_id: dice.name(),
        attach_request_id: !dice.one_in(3),
        attach_callbacks: dice.one_in(2),
        attach_links: dice.one_in(2),
        callbacks: callbacks(dice),
        links: Vec::new(),
    }
}

pub(crate) fn callbacks(dice: &mut Dice) -> Vec<Callback> {
    (0..dice.below(3))
        .map(|number| {
            let nexus = callback::Nexus { url: format!("http://localhost/{number}"), ..Default::default() };
            Callback { variant: Some(callback::Variant::Nexus(nexus)), ..Default::default() }
        })
        .collect()
}
