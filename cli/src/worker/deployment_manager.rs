//! `perdure worker deployment manager-identity …`

use clap::{ArgGroup, Args};
use perdure_proto::api::workflowservice::{
    SetWorkerDeploymentManagerRequest, set_worker_deployment_manager_request::NewManagerIdentity,
};

use super::deployment::agreed;
use crate::session::Session;

commands! {
    /// Who may change a deployment.
    ManagerCommand {
        /// Let only this identity change the deployment
        #[command(after_help = "Example:\n  perdure worker deployment manager-identity set --deployment-name orders --self --identity ci --yes")]
        Set(ManagerSet),
        /// Let everybody change the deployment
        #[command(after_help = "Example:\n  perdure worker deployment manager-identity unset --deployment-name orders --yes")]
        Unset(ManagerUnset),
    }
}

#[derive(Args, Debug)]
#[command(group(ArgGroup::new("manager").args(["manager_identity", "self_"]).required(true)))]
pub struct ManagerSet {
    /// The deployment's name.
    #[arg(long)]
    deployment_name: String,
    /// The identity of who may change it.
    #[arg(long)]
    manager_identity: Option<String>,
    /// The identity of this command, see --identity.
    #[arg(long = "self")]
    self_: bool,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
}

#[derive(Args, Debug)]
pub struct ManagerUnset {
    /// The deployment's name.
    #[arg(long)]
    deployment_name: String,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
}

impl ManagerSet {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        let manager = match self.manager_identity {
            Some(identity) => NewManagerIdentity::ManagerIdentity(identity),
            None => NewManagerIdentity::Self_(self.self_),
        };
        set_manager(session, self.deployment_name, manager, self.yes).await
    }
}

impl ManagerUnset {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        let nobody = NewManagerIdentity::ManagerIdentity(String::new());
        set_manager(session, self.deployment_name, nobody, self.yes).await
    }
}

async fn set_manager(
    session: &Session,
    deployment_name: String,
    manager: NewManagerIdentity,
    yes: bool,
) -> anyhow::Result<()> {
    let conflict_token = agreed(session, &deployment_name, "manager", yes, false).await?;
    let now = match &manager {
        NewManagerIdentity::ManagerIdentity(identity) => identity.clone(),
        NewManagerIdentity::Self_(_) => session.identity(),
    };
    let request = SetWorkerDeploymentManagerRequest {
        namespace: session.namespace(),
        deployment_name,
        conflict_token,
        identity: session.identity(),
        new_manager_identity: Some(manager),
    };
    let before = session.call(request).await?.previous_manager_identity;
    session.output.say(format!("Successfully set manager identity to {now:?}, was previously {before:?}"))
}
