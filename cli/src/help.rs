//! What `--help` says is true: each command has an example, and each example is one that the program takes.

use clap::{CommandFactory, Parser};

/// The commands of this crate, as the program has them.
#[derive(Parser)]
#[command(name = "perdure")]
struct Program {
    #[command(subcommand)]
    command: crate::Command,
}

/// Calls `with` for each command that has no further ones, with its path.
fn leaves(command: &clap::Command, path: &str, with: &mut impl FnMut(&str, &clap::Command)) {
    let path = format!("{path}{}{}", if path.is_empty() { "" } else { " " }, command.get_name());
    // `workflow reset` is a command and has one below it.
    if !command.has_subcommands() || !command.is_subcommand_required_set() && command.get_name() == "reset" {
        with(&path, command);
    }
    command.get_subcommands().for_each(|below| leaves(below, &path, with));
}

fn examples(command: &clap::Command) -> Vec<String> {
    let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let lines = text.lines().filter_map(|line| line.strip_prefix("  "));
    lines.map(|line| line.split(" > ").next().unwrap_or_default().to_owned()).collect()
}

/// The words of a command line, as a shell finds them; no escapes are needed here.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut quote, mut started) = (vec![String::new()], None, false);
    for letter in line.chars() {
        match (quote, letter) {
            (None, ' ') if started => {
                words.push(String::new());
                started = false;
            }
            (None, '\'' | '"') => (quote, started) = (Some(letter), true),
            (Some(open), _) if open == letter => quote = None,
            _ => {
                if let Some(word) = words.last_mut() {
                    word.push(letter);
                }
                started = true;
            }
        }
    }
    words
}

#[test]
fn every_command_has_an_example_that_works() {
    let mut wrong = Vec::new();
    leaves(&Program::command(), "", &mut |path, command| {
        let examples = examples(command);
        if !examples.iter().any(|example| example.starts_with(path)) {
            wrong.push(format!("{path}: no example"));
        }
        for example in examples {
            if let Err(error) = Program::try_parse_from(words(&example)) {
                wrong.push(format!("{example}\n{error}"));
            }
        }
    });
    assert_eq!(wrong.join("\n"), "");
}

#[test]
fn every_flag_is_explained() {
    let mut wrong = Vec::new();
    leaves(&Program::command(), "", &mut |path, command| {
        let silent = command.get_arguments().filter(|flag| flag.get_help().is_none() && !flag.is_hide_set());
        wrong.extend(silent.map(|flag| format!("{path} {}", flag.get_id())));
    });
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn the_definitions_are_sound() {
    Program::command().debug_assert();
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let cases = [
        "workflow cancel",
        "workflow cancel --workflow-id a --query b",
        "workflow terminate --query b --run-id c",
        "workflow reset --workflow-id a",
        "workflow reset --workflow-id a --type BuildId",
        "workflow reset --workflow-id a --type LastWorkflowTask --event-id 3",
        "workflow start --type T",
        "workflow start --type T --task-queue q --memo a",
        "workflow start --type T --task-queue q --run-timeout soon",
        "workflow start --type T --task-queue q --id-reuse-policy Never",
        "workflow start --type T --task-queue q --input 1 --input-file f",
        "workflow update start --workflow-id w --name n --wait-for-stage completed",
        "schedule toggle --schedule-id s",
        "schedule toggle --schedule-id s --pause --unpause",
        "schedule create --schedule-id s --type T --task-queue q --interval 1h/1m/1s",
        "schedule create --schedule-id s --type T --task-queue q --calendar noon",
        "schedule backfill --schedule-id s --start-time today --end-time tomorrow",
        "activity pause",
        "activity complete --activity-id a --result x",
        "task-queue config set --task-queue q --task-queue-type activity --queue-rps-limit -1",
        "task-queue config set --task-queue q --task-queue-type activity --queue-rps-limit-reason why",
        "worker deployment set-current-version --deployment-name d",
        "worker deployment set-current-version --deployment-name d --build-id b --unversioned",
        "operator search-attribute create --name a --type Number",
        "operator nexus endpoint create --name a --target-url u --target-namespace n",
        "batch terminate --job-id j",
    ];
    for line in cases {
        let parsed = Program::try_parse_from(words(&format!("perdure {line}")));
        assert!(parsed.is_err(), "taken: {line}");
    }
}

#[test]
fn names_of_policies_are_taken_in_any_case() {
    for name in ["BufferOne", "bufferone", "BUFFERONE"] {
        let line = format!("perdure schedule trigger --schedule-id s --overlap-policy {name}");
        let parsed = Program::try_parse_from(words(&line)).map(|_| ()).map_err(|error| error.to_string());
        assert_eq!(parsed, Ok(()), "{name}");
    }
}

#[test]
fn common_options_go_before_and_behind() {
    for line in [
        "workflow --address h:1 -n n list -o json",
        "workflow list --address h:1 -n n -o table",
        "operator cluster health --address h:1 --tls --tls-ca-path f",
        "operator cluster health --tls=false --api-key k --grpc-meta a=b --command-timeout 1m",
        "workflow list --time-format iso --no-json-shorthand-payloads",
        "workflow list --tls-ca-data '-----BEGIN CERTIFICATE-----' --color never",
    ] {
        let parsed = Program::try_parse_from(words(&format!("perdure {line}")));
        assert!(parsed.is_ok(), "refused: {line}: {:?}", parsed.err());
    }
}
