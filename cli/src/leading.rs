//! Common options before the command, as Temporal's CLI takes them: `perdure --address HOST:7233 workflow list`.

use std::ffi::{OsStr, OsString};

use clap::{Arg, Args, Command};

use crate::connect::Options;

/// The same command line with the common options that stand before the command moved behind it, where each command has them.
pub fn options_behind(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments = arguments.into_iter();
    let mut moved: Vec<OsString> = arguments.next().into_iter().collect();
    let options = Options::augment_args(Command::new("options"));
    let (mut rest, mut leading) = (arguments.peekable(), Vec::new());
    while let Some(takes_next) = rest.peek().and_then(|argument| option(&options, argument)) {
        leading.extend(rest.next());
        if takes_next {
            leading.extend(rest.next());
        }
    }
    let rest: Vec<OsString> = rest.collect();
    // What comes after `--` is no option.
    let end = rest.iter().position(|argument| argument == "--").unwrap_or(rest.len());
    moved.extend_from_slice(&rest[..end]);
    moved.extend(leading);
    moved.extend_from_slice(&rest[end..]);
    moved
}

/// Whether the argument after this one is its value. None: this is no common option.
fn option(options: &Command, argument: &OsStr) -> Option<bool> {
    let text = argument.to_str()?;
    if let Some(long) = text.strip_prefix("--") {
        let (name, value) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
        let found = options.get_arguments().find(|option| option.get_long() == Some(name))?;
        return Some(value.is_none() && needs_value(found));
    }
    let mut letters = text.strip_prefix('-')?.chars();
    let letter = letters.next()?;
    let found = options.get_arguments().find(|option| option.get_short() == Some(letter))?;
    Some(letters.as_str().is_empty() && needs_value(found))
}

fn needs_value(option: &Arg) -> bool {
    option.get_action().takes_values() && !option.is_require_equals_set()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_options_go_behind_the_command() {
        let cases = [
            ("workflow list", "workflow list"),
            ("--address h:1 workflow list", "workflow list --address h:1"),
            ("--address=h:1 -n n operator cluster health", "operator cluster health --address=h:1 -n n"),
            ("-nn -ojson --tls workflow list", "workflow list -nn -ojson --tls"),
            (
                "--tls=false --grpc-meta a=b --grpc-meta c=d batch list",
                "batch list --tls=false --grpc-meta a=b --grpc-meta c=d",
            ),
            ("--address h:1 nexus operation start -- x", "nexus operation start --address h:1 -- x"),
            ("--output json db status", "db status --output json"),
            // As they stand, for the parser to say what is wrong.
            ("--address", "--address"),
            ("--address h:1", "--address h:1"),
            ("--help workflow", "--help workflow"),
            ("--port 1 server start-dev", "--port 1 server start-dev"),
            ("-- --address h:1", "-- --address h:1"),
            ("-x workflow", "-x workflow"),
            ("", ""),
        ];
        for (given, expected) in cases {
            let given = std::iter::once("perdure").chain(given.split_whitespace()).map(OsString::from);
            let expected: Vec<_> = std::iter::once("perdure").chain(expected.split_whitespace()).collect();
            assert_eq!(options_behind(given), expected);
        }
    }
}
