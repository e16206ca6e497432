//! A throw-away PostgreSQL: made for one run of the tests, deleted after it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process::{self, command};
use crate::workspace::Workspace;
use crate::{debian, ports};

const FOLDER_PREFIX: &str = "postgres-";

/// A running PostgreSQL on 127.0.0.1, durable as in production (fsync is on). Dropping it stops it and deletes its files.
pub struct Cluster {
    programs: Programs,
    folder: PathBuf,
    pub port: u16,
}

/// PostgreSQL's own programs, and the user they run as: `initdb` and `postgres` refuse to run as root.
struct Programs {
    bin: PathBuf,
    user: Option<&'static str>,
}

impl Cluster {
    /// Installs PostgreSQL where it is missing, and starts one. Takes a second or two.
    pub fn start(workspace: &Workspace) -> Result<Cluster> {
        let programs = Programs::find_or_install()?;
        let parent = programs.parent_folder(&workspace.target)?;
        delete_left_over(&programs, &parent)?;
        let folder = parent.join(format!("{FOLDER_PREFIX}{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let cluster = Cluster { programs, folder, port: ports::free()? };
        cluster.programs.own(&cluster.folder)?;
        cluster.create()?;
        cluster.run()?;
        Ok(cluster)
    }

    /// How a client reaches it. There is no password: it listens on the loopback only.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn create(&self) -> Result<()> {
        let mut initdb = self.programs.command("initdb");
        initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--pgdata"]);
        initdb.arg(self.data());
        process::output(initdb).map(drop)
    }

    fn run(&self) -> Result<()> {
        let options = format!("-h 127.0.0.1 -p {} -c unix_socket_directories= -c max_connections=200", self.port);
        let log = self.folder.join("log");
        let mut pg_ctl = self.programs.command("pg_ctl");
        pg_ctl.arg("start").arg("--wait").arg("--silent").arg("--pgdata").arg(self.data());
        pg_ctl.arg("--log").arg(&log).arg("--options").arg(options);
        // Its output must not be a pipe: the server that it leaves behind would keep that open.
        process::run(pg_ctl).with_context(|| format!("see {}", log.display()))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Err(error) = stop_and_delete(&self.programs, &self.folder) {
            eprintln!("cannot remove {}: {error:#}", self.folder.display());
        }
    }
}

// === impl Programs ===

impl Programs {
    fn find_or_install() -> Result<Programs> {
        let bin = match find_bin() {
            Some(bin) => bin,
            None => {
                debian::install(&["postgresql"])?;
                find_bin().context("PostgreSQL was installed, but its initdb is not where Debian puts it")?
            }
        };
        if !process::is_root() {
            return Ok(Programs { bin, user: None });
        }
        let user = ["postgres", "nobody"].into_iter().find(|user| exists(user));
        Ok(Programs { bin, user: Some(user.context("root needs a user `postgres` to run PostgreSQL as")?) })
    }

    /// `program` as a user that PostgreSQL accepts.
    fn command(&self, program: &str) -> Command {
        let program = self.bin.join(program);
        match self.user {
            None => command(program, Path::new("/")),
            Some(user) => {
                let mut runuser = command("runuser", Path::new("/"));
                runuser.args(["-u", user, "--"]).arg(program);
                runuser
            }
        }
    }

    /// The target folder, or the system's temporary folder where the user may not enter the target folder (a checkout
    /// below `/root`).
    fn parent_folder(&self, target: &Path) -> Result<PathBuf> {
        std::fs::create_dir_all(target)?;
        let Some(user) = self.user else { return Ok(target.to_path_buf()) };
        let mut test = command("runuser", Path::new("/"));
        test.args(["-u", user, "--", "test", "-x"]).arg(target);
        let may_enter = test.status().context("cannot start runuser")?.success();
        Ok(if may_enter { target.to_path_buf() } else { std::env::temp_dir().join("perdure") })
    }

    fn own(&self, folder: &Path) -> Result<()> {
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
        let Some(user) = self.user else { return Ok(()) };
        let mut chown = command("chown", Path::new("/"));
        chown.arg(user).arg(folder);
        process::output(chown).map(drop)
    }
}

/// The folder of the newest PostgreSQL's programs. Debian keeps them out of `PATH`.
fn find_bin() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort();
    let initdb = process::find("initdb", versions.into_iter().rev().map(|(_, bin)| bin))?;
    // Follows links: pg_ctl looks for its siblings beside the real file.
    Some(initdb.canonicalize().ok()?.parent()?.to_path_buf())
}

fn exists(user: &str) -> bool {
    let mut id = command("id", Path::new("/"));
    id.args(["-u", user]);
    process::output(id).is_ok()
}

/// Clusters whose xtask was killed before it could delete them: the folder's name holds its process id.
fn delete_left_over(programs: &Programs, parent: &Path) -> Result<()> {
    for entry in std::fs::read_dir(parent).into_iter().flatten() {
        let entry = entry?;
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(FOLDER_PREFIX)?.parse::<u32>().ok());
        if owner.is_some_and(|process| !Path::new(&format!("/proc/{process}")).exists()) {
            stop_and_delete(programs, &entry.path())?;
        }
    }
    Ok(())
}

fn stop_and_delete(programs: &Programs, folder: &Path) -> Result<()> {
    let data = folder.join("data");
    if data.join("postmaster.pid").exists() {
        let mut pg_ctl = programs.command("pg_ctl");
        pg_ctl.args(["stop", "--wait", "--silent", "--mode=immediate", "--pgdata"]).arg(&data);
        // A stale pid file makes this fail; then there is nothing to stop.
        if let Err(error) = process::output(pg_ctl) {
            eprintln!("{error:#}");
        }
    }
    if let Err(error) = std::fs::remove_dir_all(folder) {
        bail!("{error}");
    }
    Ok(())
}
