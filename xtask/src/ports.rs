//! Free TCP ports.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Result, bail};

/// Below Linux's ephemeral ports (32768 and up). A client that reconnects to a port out of that range while its server is
/// down may be given this very port as its own end, connect to itself, and so keep the server from coming back.
const FIRST: u32 = 20_000;
const COUNT: u32 = 12_000;

/// A port of 127.0.0.1 that nobody listens on. Calls in one process never return the same port twice; calls in processes
/// that run at the same time start at different places.
pub fn free() -> Result<u16> {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(101) % COUNT;
    for _ in 0..COUNT {
        let offset = start.wrapping_add(CALLS.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let port = u16::try_from(FIRST + offset)?;
        if is_free(port) {
            return Ok(port);
        }
    }
    bail!("no free port between {FIRST} and {}", FIRST + COUNT)
}

/// Whether `port` of 127.0.0.1 can be listened on now.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}
