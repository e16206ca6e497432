//! The machine, and the settings that a server would start with.

use std::{io, path::Path};

use rustix::{
    fs::statvfs,
    process::{Resource, getrlimit},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Check, Verdict};
use crate::{
    admin::bytes,
    auth, dynamic_config,
    settings::{Settings, StoreKind},
    tls, web,
};

/// Open files: each connection of a worker is one.
const FILES_WANTED: u64 = 4_096;
const FILES_NEEDED: u64 = 512;

/// Room on the disk of an SQLite file.
const ROOM_WANTED: u64 = 1024 * 1024 * 1024;
const ROOM_NEEDED: u64 = 100 * 1024 * 1024;

pub(super) const CHECKS: [Check<HostFacts>; 6] = [
    ("settings", settings),
    ("dynamic config", dynamic),
    ("credentials", credentials),
    ("ports", ports),
    ("open files", open_files),
    ("disk", disk),
];

pub(super) struct HostFacts {
    settings: Settings,
    notices: Vec<String>,
    /// Text of the dynamic configuration file; None: none is named. Err: it cannot be read.
    dynamic: Option<Result<String, String>>,
    /// TLS files and API keys, read as a server would.
    credentials: Result<(), String>,
    ports: Vec<Port>,
    /// A server answers where the client looks.
    serving: bool,
    files: Option<u64>,
    /// Of the disk with the SQLite file.
    room: Option<io::Result<u64>>,
}

struct Port {
    what: &'static str,
    address: String,
    /// None: it is free.
    taken: Option<io::Error>,
}

impl HostFacts {
    pub(super) async fn gather(settings: Settings, notices: Vec<String>, serving: bool) -> Self {
        let dynamic = settings.dynamic_config.as_ref().map(|path| match std::fs::read_to_string(path) {
            Ok(text) => Ok(text),
            Err(error) => Err(format!("{}: {error}", path.display())),
        });
        let stop = CancellationToken::new();
        let credentials = tls::open(&settings.tls, stop.clone()).map(|_| ());
        let credentials = credentials
            .and_then(|()| auth::open(&settings.auth, &perdure_metrics::Registry::default(), stop.clone()).map(|_| ()));
        stop.cancel();
        let listen = &settings.listen;
        let mut ports = Vec::new();
        let mut seen = Vec::new();
        for (what, (ip, port)) in
            [("gRPC", (listen.ip.as_str(), listen.grpc_port)), ("HTTP", listen.http()), ("web UI", listen.ui())]
        {
            if port != 0 && !seen.contains(&(ip, port)) {
                seen.push((ip, port));
                ports.push(Port { what, address: format!("{ip}:{port}"), taken: taken(ip, port).await });
            }
        }
        let path = settings.store.path.as_deref().filter(|_| settings.store.kind == StoreKind::Sqlite);
        Self {
            dynamic,
            credentials: credentials.map_err(|error| format!("{error:#}")),
            ports,
            serving,
            files: getrlimit(Resource::Nofile).current,
            room: path.map(room),
            notices,
            settings,
        }
    }
}

/// Listens for a moment.
async fn taken(ip: &str, port: u16) -> Option<io::Error> {
    match web::resolve(ip, port).await {
        Ok(address) => TcpListener::bind(address).await.err(),
        Err(error) => Some(io::Error::new(io::ErrorKind::AddrNotAvailable, format!("{error:#}"))),
    }
}

fn room(file: &Path) -> io::Result<u64> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let disk = statvfs(folder)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

fn settings(facts: &HostFacts) -> Verdict {
    let found = format!("the store is {}", facts.settings.store);
    if facts.notices.is_empty() {
        return Verdict::ok(found);
    }
    Verdict::warn(
        format!("{found}; {}", facts.notices.join("; ")),
        "unset what has no effect, or leave it: it does no harm",
    )
}

fn dynamic(facts: &HostFacts) -> Verdict {
    let text = match &facts.dynamic {
        None => return Verdict::ok("no file is named: defaults hold"),
        Some(Ok(text)) => text,
        Some(Err(error)) => {
            return Verdict::warn(
                error,
                "put the file there, or unset DYNAMIC_CONFIG_FILE_PATH: defaults hold until then",
            );
        }
    };
    match dynamic_config::check(text) {
        Err(error) => Verdict::problem(error, "mend the file: a server does not start with it"),
        Ok(parsed) if parsed.bad.is_empty() && parsed.unknown.is_empty() => {
            Verdict::ok(format!("{} keys act", parsed.known().count()))
        }
        Ok(parsed) => {
            let unknown = parsed.unknown.iter().map(|key| format!("nobody knows {key}"));
            let wrong: Vec<_> = parsed.bad.iter().cloned().chain(unknown).collect();
            Verdict::warn(wrong.join("; "), "mend these keys, or take them out: they are ignored")
        }
    }
}

fn credentials(facts: &HostFacts) -> Verdict {
    let closed = facts.settings.tls.requires_client_cert()
        || !facts.settings.auth.api_key_hashes.is_empty()
        || facts.settings.auth.api_keys_file.is_some();
    let local = ["127.0.0.1", "localhost", "::1"].contains(&facts.settings.listen.ip.as_str());
    match &facts.credentials {
        Err(error) => Verdict::problem(error, "mend the file that is named: a server does not start without it"),
        Ok(()) if !closed && !local => Verdict::warn(
            format!("whoever reaches {} may do everything", facts.settings.listen.ip),
            "ask for client certificates (tls.client_ca) or API keys (auth), or let only a trusted network reach it",
        ),
        Ok(()) if closed => Verdict::ok("clients must show a certificate or a key"),
        Ok(()) => Verdict::ok("only this machine reaches the server"),
    }
}

fn ports(facts: &HostFacts) -> Verdict {
    let taken = |port: &Port| {
        let error = port.taken.as_ref()?;
        let is_own = facts.serving && error.kind() == io::ErrorKind::AddrInUse;
        (!is_own).then(|| (error.kind(), format!("{} {}: {error}", port.what, port.address)))
    };
    let wrong: Vec<_> = facts.ports.iter().filter_map(taken).collect();
    let Some((kind, _)) = wrong.first() else {
        return Verdict::ok(if facts.serving { "a server has them" } else { "free" });
    };
    let action = match kind {
        io::ErrorKind::AddrInUse => {
            "end the program that has the port, or choose another: FRONTEND_GRPC_PORT, FRONTEND_HTTP_PORT, FRONTEND_UI_PORT"
        }
        io::ErrorKind::PermissionDenied => "ports below 1024 need a right of their own: choose a higher one",
        _ => "name an address of this machine: BIND_ON_IP, as 0.0.0.0 for all",
    };
    let texts: Vec<_> = wrong.iter().map(|(_, text)| text.as_str()).collect();
    Verdict::problem(texts.join("; "), action)
}

fn open_files(facts: &HostFacts) -> Verdict {
    let action =
        format!("raise the limit to {FILES_WANTED} or more: `ulimit -n`, LimitNOFILE= of systemd, or the container's");
    match facts.files {
        None => Verdict::ok("no limit"),
        Some(files) if files < FILES_NEEDED => {
            Verdict::problem(format!("{files} files at most, one for each connection"), action)
        }
        Some(files) if files < FILES_WANTED => {
            Verdict::warn(format!("{files} files at most, one for each connection"), action)
        }
        Some(files) => Verdict::ok(format!("{files} at most")),
    }
}

fn disk(facts: &HostFacts) -> Verdict {
    let action = "make room, or move the file: without room nothing can be answered";
    match &facts.room {
        None => Verdict::ok("the data is not on this machine's disk, or in memory"),
        Some(Err(error)) => {
            Verdict::problem(format!("the folder of the file: {error}"), "make the folder, or name another file")
        }
        Some(Ok(room)) => {
            let found = format!("{} free", bytes(i64::try_from(*room).unwrap_or(i64::MAX)));
            match *room {
                room if room < ROOM_NEEDED => Verdict::problem(found, action),
                room if room < ROOM_WANTED => Verdict::warn(found, action),
                _ => Verdict::ok(found),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_on_the_disk() {
        let facts = |room| HostFacts {
            settings: Settings::default(),
            notices: Vec::new(),
            dynamic: None,
            credentials: Ok(()),
            ports: Vec::new(),
            serving: false,
            files: None,
            room: Some(Ok(room)),
        };
        let cases = [(ROOM_WANTED, "ok"), (ROOM_WANTED - 1, "warn"), (ROOM_NEEDED - 1, "problem"), (0, "problem")];
        for (room, status) in cases {
            assert_eq!(disk(&facts(room)).parts().0, status, "{room}");
        }
    }
}
