//! A machine that runs containers: programs by the names that they have in the images, with the images' environment.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use figment::Figment;
use figment::providers::{Format, Yaml};
use perdure_tests::{fresh_folder, perdure};
use serde::de::DeserializeOwned;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};
use xtask::process;

/// Longer than anything here takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(50);
/// No health command may take longer.
const COMMAND_MAX: Duration = Duration::from_secs(30);

pub(crate) type Variables = BTreeMap<String, String>;

pub(crate) struct Machine {
    folder: PathBuf,
    path: String,
}

pub(crate) struct Container {
    child: Child,
    log: PathBuf,
}

impl Machine {
    /// `programs` are folders of programs that the images of others hold.
    pub(crate) fn new(name: &str, programs: &[PathBuf]) -> Result<Machine> {
        let folder = fresh_folder(name)?;
        let bin = folder.join("bin");
        std::fs::create_dir(&bin)?;
        for name in ["perdure", "tctl", "temporal"] {
            symlink(perdure()?.get_program(), bin.join(name))?;
        }
        let folders = std::iter::once(bin).chain(programs.iter().cloned());
        let folders = folders.chain(["/usr/bin", "/bin"].map(PathBuf::from));
        let path = std::env::join_paths(folders)?.into_string().ok().context("a path in UTF-8")?;
        Ok(Machine { folder, path })
    }

    /// An empty folder for a container.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    pub(crate) fn start(&self, name: &str, command: &[String], variables: &Variables) -> Result<Container> {
        let log = self.folder.join(format!("{name}.log"));
        println!("log: {}", log.display());
        let file = File::options().create(true).append(true).open(&log)?;
        let mut command = self.command(command, variables)?;
        command.current_dir(self.folder(name)?).stdout(file.try_clone()?).stderr(file);
        Ok(Container { child: command.spawn().context("cannot start the container")?, log })
    }

    /// What a command within a container says.
    pub(crate) async fn run(&self, command: &[String], variables: &Variables) -> Result<Output> {
        let output = self.command(command, variables)?.output();
        let output = timeout(COMMAND_MAX, output).await.with_context(|| format!("{command:?} does not end"))?;
        output.with_context(|| format!("{command:?} cannot be run"))
    }

    /// Fails unless the command ends with success.
    pub(crate) async fn must(&self, command: &str, variables: &Variables) -> Result<String> {
        let words: Vec<_> = command.split_whitespace().map(str::to_owned).collect();
        let output = self.run(&words, variables).await?;
        let said = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
        if !output.status.success() {
            bail!("{command} ended with {}: {said}", output.status);
        }
        Ok(said)
    }

    fn command(&self, command: &[String], variables: &Variables) -> Result<Command> {
        let (program, arguments) = command.split_first().context("a command without words")?;
        // `env` looks for the program where the container would, not where this test does.
        let mut env = Command::new("/usr/bin/env");
        env.env_clear().envs(variables).env("PATH", &self.path).arg(program).args(arguments);
        env.stdin(Stdio::null()).kill_on_drop(true);
        Ok(env)
    }
}

impl Container {
    /// As `docker stop` and a kubelet do it. Fails unless it ends well.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        process::terminate(self.child.id().context("it has ended before")?)?;
        let ended: ExitStatus = timeout(PATIENCE, self.child.wait()).await.context("it does not stop")??;
        if !ended.success() {
            bail!("it ended with {ended}; see {}", self.log.display());
        }
        Ok(())
    }

    /// As by a power cut.
    pub(crate) async fn kill9(&mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    pub(crate) fn log(&self) -> Result<String> {
        Ok(std::fs::read_to_string(&self.log)?)
    }

    /// Fails where it has ended.
    pub(crate) fn lives(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("it ended with {status}: {}", self.log()?),
        }
    }
}

/// Asks until the answer is yes.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !is_so().await? {
        if Instant::now() > deadline {
            bail!("{what}: still not after {PATIENCE:?}");
        }
        sleep(POLL).await;
    }
    Ok(())
}

pub(crate) fn deploy() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy"))
}

/// The documents of a file below `deploy/`.
pub(crate) fn documents<T: DeserializeOwned>(file: &str) -> Result<Vec<T>> {
    let text = std::fs::read_to_string(deploy().join(file)).with_context(|| file.to_owned())?;
    let documents = text.split("\n---\n");
    documents.map(|text| Figment::from(Yaml::string(text)).extract().with_context(|| file.to_owned())).collect()
}

/// What the server's image sets.
pub(crate) fn image_variables() -> Result<Variables> {
    let text = std::fs::read_to_string(deploy().join("images/Containerfile"))?;
    let pairs = text.lines().filter_map(|line| line.strip_prefix("ENV ")?.split_once('='));
    Ok(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

pub(crate) fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}
