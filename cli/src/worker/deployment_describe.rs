//! What `worker deployment` shows.

use crate::output::{Field, Section};

pub(crate) const DEPLOYMENTS: &[Field] = &[
    ("Name", "/name"),
    ("CreateTime", "/createTime"),
    ("CurrentVersionBuildID", "/routingConfig/currentDeploymentVersion/buildId"),
    ("RampingVersionBuildID", "/routingConfig/rampingDeploymentVersion/buildId"),
    ("RampingVersionPercentage", "/routingConfig/rampingVersionPercentage"),
];

pub(crate) const DEPLOYMENT: &[Section] = &[
    Section {
        title: "Worker Deployment",
        at: "/workerDeploymentInfo",
        fields: &[
            ("Name", "/name"),
            ("CreateTime", "/createTime"),
            ("LastModifierIdentity", "/lastModifierIdentity"),
            ("ManagerIdentity", "/managerIdentity"),
            ("CurrentVersionDeploymentName", "/routingConfig/currentDeploymentVersion/deploymentName"),
            ("CurrentVersionBuildID", "/routingConfig/currentDeploymentVersion/buildId"),
            ("CurrentVersionChangedTime", "/routingConfig/currentVersionChangedTime"),
            ("RampingVersionDeploymentName", "/routingConfig/rampingDeploymentVersion/deploymentName"),
            ("RampingVersionBuildID", "/routingConfig/rampingDeploymentVersion/buildId"),
            ("RampingVersionPercentage", "/routingConfig/rampingVersionPercentage"),
            ("RampingVersionChangedTime", "/routingConfig/rampingVersionChangedTime"),
        ],
    },
    Section {
        title: "Version Summaries",
        at: "/workerDeploymentInfo/versionSummaries",
        fields: &[
            ("DeploymentName", "/deploymentVersion/deploymentName"),
            ("BuildID", "/deploymentVersion/buildId"),
            ("Status", "/status"),
            ("DrainageStatus", "/drainageInfo/status"),
            ("CreateTime", "/createTime"),
        ],
    },
];

pub(crate) const VERSION: &[Section] = &[
    Section {
        title: "Worker Deployment Version",
        at: "/workerDeploymentVersionInfo",
        fields: &[
            ("DeploymentName", "/deploymentVersion/deploymentName"),
            ("BuildID", "/deploymentVersion/buildId"),
            ("Status", "/status"),
            ("CreateTime", "/createTime"),
            ("RoutingChangedTime", "/routingChangedTime"),
            ("CurrentSinceTime", "/currentSinceTime"),
            ("RampingSinceTime", "/rampingSinceTime"),
            ("RampPercentage", "/rampPercentage"),
            ("DrainageStatus", "/drainageInfo/status"),
            ("DrainageLastChangedTime", "/drainageInfo/lastChangedTime"),
            ("DrainageLastCheckedTime", "/drainageInfo/lastCheckedTime"),
            ("LastModifierIdentity", "/lastModifierIdentity"),
            ("Metadata", "/metadata/entries"),
        ],
    },
    Section {
        title: "Task Queues",
        at: "/versionTaskQueues",
        fields: &[
            ("Name", "/name"),
            ("Type", "/type"),
            ("ApproximateBacklogCount", "/stats/approximateBacklogCount"),
            ("ApproximateBacklogAge", "/stats/approximateBacklogAge"),
            ("TasksAddRate", "/stats/tasksAddRate"),
            ("TasksDispatchRate", "/stats/tasksDispatchRate"),
        ],
    },
];
