//! The command line of `compare`.

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::{
    args::{Load, Output, Probes},
    scenario::Scenario,
};

/// Run the same load on two servers in turns, and print medians and ratios.
///
/// Each measurement is made on A, then on B, then on A again (`--rounds`): what else the machine does meets both. The server
/// whose turn it is not is idle. Every figure is the median of the rounds, and each ratio says how many times better A is: more
/// per second, or less of a time or a cost.
///
/// A server is described by words KEY=VALUE behind --a or --b:
///
///   name=NAME            what the table calls it (its version)
///   address=HOST:PORT    its gRPC address
///   namespace=NAME       (default)
///   server-pid=PID       CPU and memory of this process and its children
///   postgres-pid=PID     CPU of this postmaster and its children
///   postgres-url=URL     its database: commits, WAL, growth
///   postgres-databases=NAME,NAME   all of its databases there, where they are more than the one of the URL
///   start-command=LINE   start it like this instead, `--starts` times, and measure the time to its first completed workflow;
///                        it is stopped (SIGTERM) at the end. A shell reads the line, which must be one command that stays in
///                        the foreground: `env DB=sqlite perdure server start-dev --headless > a.log 2>&1`. Its process is
///                        server-pid.
///
/// Give each server a PostgreSQL of its own, with the same settings. Where both share one, the CPU, the WAL and its syncs are
/// those of both, and what the other server does in the background is among them; only commits and growth are counted for each
/// database.
///
/// A measurement that is not over after --time-limit is reported and left out of the rest of the run; so is one that fails for
/// another reason, such as a lost workflow, and then the command ends with 1.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, verbatim_doc_comment)]
pub(crate) struct Compare {
    /// What to measure, each as SCENARIO or SCENARIO:IN_FLIGHT[,IN_FLIGHT]. Without any: all of them.
    #[arg(value_parser = Measured::parse)]
    pub(crate) scenarios: Vec<Measured>,
    /// The first server.
    #[arg(long, required = true, num_args = 1.., value_name = "KEY=VALUE")]
    pub(crate) a: Vec<String>,
    /// The second server.
    #[arg(long, required = true, num_args = 1.., value_name = "KEY=VALUE")]
    pub(crate) b: Vec<String>,
    /// Measurements of each load on each server.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// Begin workflows (pages) for so long in each measurement, and wait for those that have begun.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) seconds: u64,
    /// Measure so many workflows (pages, actions) instead.
    #[arg(long, conflicts_with = "seconds", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) count: Option<u32>,
    /// Begin workflows (pages) for so long before the first measurement of each load; 0 leaves it out.
    #[arg(long, default_value_t = 2)]
    pub(crate) warmup_seconds: u64,
    /// Watch both servers idle for so long before all load; 0 leaves it out.
    #[arg(long, default_value_t = 20)]
    pub(crate) idle_seconds: u64,
    /// How often a server with a start-command is started.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) starts: u32,
    #[command(flatten)]
    pub(crate) load: Load,
}

const EXAMPLES: &str = "Examples:
  perdure-load compare hello activity1:1,64 --rounds 5 \\
      --a name=new address=127.0.0.1:7233 server-pid=4711 \\
      --b name=old address=127.0.0.1:7333 server-pid=4712
  perdure-load compare --seconds 8 --prepare 20000 \\
      --a name=perdure address=127.0.0.1:7233 postgres-pid=100 postgres-url=postgres://postgres@127.0.0.1:5432/perdure \\
          \"start-command=env DB=postgresql POSTGRES_SEEDS=127.0.0.1 perdure server start > perdure.log 2>&1\" \\
      --b name=temporal address=127.0.0.1:7333 server-pid=4712 postgres-pid=200 \\
          postgres-url=postgres://postgres@127.0.0.1:5433/temporal";

/// A scenario and how many workflows of it are in flight.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Measured {
    pub(crate) scenario: Scenario,
    pub(crate) concurrency: Vec<u32>,
}

impl Measured {
    fn parse(text: &str) -> Result<Self> {
        let (name, concurrency) = text.split_once(':').map_or((text, None), |(name, numbers)| (name, Some(numbers)));
        let Ok(scenario) = Scenario::from_str(name, false) else {
            let names: Vec<String> = Scenario::value_variants().iter().map(|scenario| scenario.name()).collect();
            bail!("there is no scenario {name}, only {}", names.join(", "));
        };
        let Some(concurrency) = concurrency else { return Ok(Self::usual(scenario)) };
        let number = |text: &str| match text.parse() {
            Ok(number @ 1..=256) => Ok(number),
            _ => bail!("{text} workflows cannot be in flight, only 1 to 256"),
        };
        Ok(Self { scenario, concurrency: concurrency.split(',').map(number).collect::<Result<_>>()? })
    }

    fn usual(scenario: Scenario) -> Self {
        let concurrency = match scenario {
            Scenario::Activity1 => vec![1, 16, 64],
            Scenario::Timer => vec![64],
            Scenario::Hello
            | Scenario::Local1
            | Scenario::Activity10seq
            | Scenario::Signal
            | Scenario::Update
            | Scenario::Query => {
                vec![16]
            }
            Scenario::Fanout100 => vec![4],
            Scenario::Signal1000 | Scenario::Children200 | Scenario::List100000 | Scenario::Schedule => vec![1],
        };
        Self { scenario, concurrency }
    }
}

/// One of the two servers.
#[derive(Debug)]
pub(crate) struct Side {
    /// `--a` or `--b`.
    pub(crate) flag: &'static str,
    pub(crate) name: Option<String>,
    pub(crate) address: String,
    pub(crate) namespace: String,
    pub(crate) probes: Probes,
    pub(crate) start_command: Option<String>,
}

impl Side {
    pub(crate) fn parse(flag: &'static str, words: &[String]) -> Result<Self> {
        let mut address = None;
        let mut side = Self {
            flag,
            name: None,
            address: String::new(),
            namespace: "default".into(),
            probes: Probes {
                server_pid: None,
                postgres_pid: None,
                postgres_url: None,
                postgres_databases: Vec::new(),
                output: Output::Table,
            },
            start_command: None,
        };
        for word in words {
            let (key, value) = word.split_once('=').with_context(|| format!("{flag}: {word} is not KEY=VALUE"))?;
            let value = value.to_owned();
            let pid = || value.parse().with_context(|| format!("{flag}: {word}: not a process id"));
            match key {
                "name" => side.name = Some(value),
                "address" => address = Some(value),
                "namespace" => side.namespace = value,
                "server-pid" => side.probes.server_pid = Some(pid()?),
                "postgres-pid" => side.probes.postgres_pid = Some(pid()?),
                "postgres-url" => side.probes.postgres_url = Some(value),
                "postgres-databases" => side.probes.postgres_databases = value.split(',').map(str::to_owned).collect(),
                "start-command" => side.start_command = Some(value),
                _ => bail!("{flag}: there is no key {key}; see `perdure-load compare --help`"),
            }
        }
        if side.start_command.is_some() && side.probes.server_pid.is_some() {
            bail!("{flag}: with start-command the server's process is known: leave server-pid out");
        }
        side.address = address.with_context(|| format!("{flag}: address=HOST:PORT is missing"))?;
        Ok(side)
    }
}

impl Compare {
    /// What is to be measured: all scenarios, if none are named.
    pub(crate) fn measured(&self) -> Vec<Measured> {
        if self.scenarios.is_empty() {
            Scenario::value_variants().iter().map(|scenario| Measured::usual(*scenario)).collect()
        } else {
            self.scenarios.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_may_say_how_many_are_in_flight() {
        let cases = [
            ("hello", Some((Scenario::Hello, vec![16]))),
            ("activity1:1,64", Some((Scenario::Activity1, vec![1, 64]))),
            ("hallo", None),
            ("hello:", None),
            ("hello:0", None),
            ("hello:1,257", None),
        ];
        for (text, expected) in cases {
            let measured = Measured::parse(text).ok().map(|measured| (measured.scenario, measured.concurrency));
            assert_eq!(measured, expected, "{text}");
        }
    }

    #[test]
    fn a_server_is_described_by_words() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let side = Side::parse("--a", &words("address=h:1 postgres-url=postgres://u@h/d?a=b server-pid=7")).unwrap();
        assert_eq!(side.address, "h:1");
        assert_eq!(side.probes.server_pid, Some(7));
        assert_eq!(side.probes.postgres_url.as_deref(), Some("postgres://u@h/d?a=b"));
        for (text, why) in [
            ("server-pid=7", "address=HOST:PORT is missing"),
            ("address=h:1 server-pid=x", "not a process id"),
            ("address=h:1 port=7", "no key port"),
            ("address=h:1 port", "not KEY=VALUE"),
            ("address=h:1 server-pid=7 start-command=perdure", "leave server-pid out"),
        ] {
            let error = format!("{:#}", Side::parse("--a", &words(text)).unwrap_err());
            assert!(error.contains(why), "{error}");
        }
    }
}
