//! The binary under the name `tctl`.

use std::{os::unix::fs::symlink, path::PathBuf, process::Command};

use anyhow::Result;
use perdure_tests::{Server, fresh_folder, perdure, ports};

use crate::{Ran, on_both_databases, workflows::Workflows};

on_both_databases!(commands_of_scripts);

/// A link of this name to the binary.
fn link(name: &str) -> Result<PathBuf> {
    let link = fresh_folder(name)?.join("tctl");
    symlink(perdure()?.get_program(), &link)?;
    Ok(link)
}

async fn commands_of_scripts(name: &str, database: perdure_tests::Database) -> Result<()> {
    let server = Server::start(name, database).await?;
    let mut workflows = Workflows::create(&server, "ns", 24).await?;
    let run_id = workflows.closed("done", None).await?;
    workflows.start("open", None).await?;
    let tctl = link(&format!("{name}_link"))?;
    let address = server.address();
    let run = |line: &str| {
        let mut command = Command::new(&tctl);
        command.args(line.split(' ')).env_clear().env("TEMPORAL_CLI_ADDRESS", &address);
        Ran::of(&mut command)
    };
    let health = "temporal.api.workflowservice.v1.WorkflowService: SERVING\n";
    let nowhere = format!("127.0.0.1:{}", ports::free()?);
    let cases = [
        ("cluster health".to_owned(), true, health.to_owned()),
        (format!("--address {address} cluster health"), true, health.to_owned()),
        (format!("-ad {address} cl h"), true, health.to_owned()),
        (format!("--ad {nowhere} cluster health"), false, "Error: no server answers at".to_owned()),
        ("--ns ns namespace describe".to_owned(), true, "Name: ns\n".to_owned()),
        ("--ns ns n desc".to_owned(), true, "Retention: 24h0m0s\n".to_owned()),
        ("namespace describe default".to_owned(), true, "State: Registered\n".to_owned()),
        ("--ns none namespace describe".to_owned(), false, "Error: Namespace none does not exist.".to_owned()),
        ("--ns new namespace register --rd 1".to_owned(), true, "Namespace new successfully registered.\n".to_owned()),
        ("--ns new namespace register".to_owned(), false, "Error: Namespace new already registered.".to_owned()),
        ("--ns new namespace describe".to_owned(), true, "Retention: 24h0m0s\n".to_owned()),
        ("namespace list".to_owned(), true, "Name: default\n".to_owned()),
        ("--namespace ns workflow list".to_owned(), true, format!("Type | done | {run_id} | queue | ")),
        ("--namespace ns workflow list --open".to_owned(), true, "Type | open | ".to_owned()),
        ("admin shard describe".to_owned(), false, "unrecognized subcommand 'admin'".to_owned()),
    ];
    for (line, success, expected) in cases {
        let ran = run(&line)?;
        let text = if success { &ran.out } else { &ran.err };
        assert!(ran.success == success && text.contains(&expected), "{line}: {ran:?}");
    }
    Ok(())
}
