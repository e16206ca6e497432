//! Each cell of the table of statuses.

use perdure_proto::api::enums::WorkerDeploymentVersionStatus::{
    self as VersionStatus, Created, Current, Drained, Draining, Inactive, Ramping,
};

use super::{
    super::state::{Target, add_queue, counted, new, new_version, pin, set_current, set_ramp},
    *,
};

const NOW: i64 = 1_700_000_000 * SECOND;

/// A version in each status, beside one that is not routed to.
fn at(status: VersionStatus) -> WorkerDeployment {
    let mut deployment = new("d", NOW);
    for build_id in ["it", "other"] {
        deployment.versions.insert(build_id.to_owned(), new_version(Created, NOW));
    }
    let it = Target::Version("it");
    match status {
        Created => {}
        Inactive => add_queue(it_of(&mut deployment), "q", TaskQueueType::Workflow),
        Current => set_current(&mut deployment, it, NOW + 1),
        Ramping => set_ramp(&mut deployment, Some(it), 10.0, NOW + 1),
        Draining | Drained => {
            set_current(&mut deployment, it, NOW + 1);
            set_current(&mut deployment, Target::Unversioned, NOW + 2);
            counted(it_of(&mut deployment), i64::from(status == Draining), NOW + 3);
        }
        VersionStatus::Unspecified => unreachable!("no version is so"),
    }
    assert_eq!(deployment.versions["it"].status(), status);
    deployment
}

fn it_of(deployment: &mut WorkerDeployment) -> &mut WorkerDeploymentVersionState {
    deployment.versions.get_mut("it").unwrap()
}

#[test]
fn statuses() {
    let (it, other) = (Target::Version("it"), Target::Version("other"));
    type Act<'a> = &'a dyn Fn(&mut WorkerDeployment);
    let columns: [(&str, Act<'_>); 6] = [
        ("made current", &|deployment| set_current(deployment, it, NOW + 9)),
        ("made ramping", &|deployment| set_ramp(deployment, Some(it), 5.0, NOW + 9)),
        ("no longer either", &|deployment| {
            set_current(deployment, other, NOW + 9);
            set_ramp(deployment, None, 0.0, NOW + 9);
        }),
        ("polled", &|deployment| add_queue(it_of(deployment), "q", TaskQueueType::Workflow)),
        ("no pinned run is open", &|deployment| counted(it_of(deployment), 0, NOW + 9)),
        ("a run is pinned to it", &|deployment| pin(it_of(deployment), NOW + 9)),
    ];
    // A current version is never made ramping: `change` refuses.
    for (status, expected) in [
        (Created, [Current, Ramping, Created, Inactive, Created, Created]),
        (Inactive, [Current, Ramping, Inactive, Inactive, Inactive, Draining]),
        (Current, [Current, Current, Draining, Current, Current, Current]),
        (Ramping, [Current, Ramping, Draining, Ramping, Ramping, Ramping]),
        (Draining, [Current, Ramping, Draining, Draining, Drained, Draining]),
        (Drained, [Current, Ramping, Drained, Drained, Drained, Draining]),
    ] {
        for ((column, act), expected) in columns.iter().zip(expected) {
            let mut deployment = at(status);
            act(&mut deployment);
            let version = &deployment.versions["it"];
            assert_eq!(version.status(), expected, "{status:?}, {column}");
            assert_eq!(version.current_since.is_some(), expected == Current, "{status:?}, {column}");
            assert_eq!(version.ramping_since.is_some(), expected == Ramping, "{status:?}, {column}");
            let drains = matches!(expected, Draining | Drained);
            assert_eq!(version.drainage.is_some(), drains, "{status:?}, {column}");
        }
    }
}

#[test]
fn times_of_a_version() {
    let at = |nanos: i64| Some(perdure_engine::time::timestamp(NOW + nanos));
    let mut deployment = at_ramp(25.0, 1);
    set_ramp(&mut deployment, Some(Target::Version("it")), 50.0, NOW + 2);
    let version = &deployment.versions["it"];
    assert_eq!((version.ramping_since, version.routing_changed_at), (at(1), at(2)));
    assert_eq!(version.first_activation, at(1));

    set_current(&mut deployment, Target::Version("it"), NOW + 3);
    let version = &deployment.versions["it"];
    assert_eq!((version.ramping_since, version.current_since, version.last_current), (None, at(3), at(3)));
    let routing = deployment.routing.clone().unwrap();
    assert_eq!((routing.ramping_version.as_str(), routing.ramping_version_changed_time), ("", at(3)));
    assert_eq!(routing.revision_number, 3);

    set_current(&mut deployment, Target::Unversioned, NOW + 4);
    let version = &deployment.versions["it"];
    assert_eq!((version.first_activation, version.last_current), (at(1), at(3)));
    assert_eq!((version.last_deactivation, version.routing_changed_at), (at(4), at(4)));

    set_ramp(&mut deployment, Some(Target::Version("it")), 1.0, NOW + 5);
    let version = &deployment.versions["it"];
    assert_eq!((version.first_activation, version.last_deactivation, version.drainage), (at(1), None, None));
}

fn at_ramp(percentage: f32, nanos: i64) -> WorkerDeployment {
    let mut deployment = at(Created);
    set_ramp(&mut deployment, Some(Target::Version("it")), percentage, NOW + nanos);
    deployment
}
