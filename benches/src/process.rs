//! CPU time and memory of a process and its children, from `/proc`.

use std::{collections::HashMap, fs, time::Duration};

use anyhow::{Context, Result};

/// `/proc` counts CPU time in ticks of 10 ms: USER_HZ is 100 on every Linux that Rust runs on.
const TICK: Duration = Duration::from_millis(10);

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Usage {
    /// User and system time of the living processes and of the children that they have reaped.
    pub(crate) cpu: Duration,
    pub(crate) resident_kb: u64,
    pub(crate) peak_resident_kb: u64,
}

/// One line of `/proc/<pid>/stat`, as far as it matters.
#[derive(Debug, PartialEq)]
struct Stat {
    parent: u32,
    own_ticks: u32,
    /// Of the children that it has reaped.
    reaped_ticks: u32,
}

/// The process and all that descend from it.
pub(crate) fn usage(root: u32) -> Result<Usage> {
    let stats = all_stats()?;
    anyhow::ensure!(stats.contains_key(&root), "there is no process {root}");
    let mut usage = Usage::default();
    for (pid, stat) in &stats {
        if !descends(*pid, root, &stats) {
            continue;
        }
        usage.cpu += TICK * (stat.own_ticks + stat.reaped_ticks);
        // A process that ended since has no memory any more.
        if let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) {
            usage.resident_kb += field_kb(&status, "VmRSS:");
            usage.peak_resident_kb += field_kb(&status, "VmHWM:");
        }
    }
    Ok(usage)
}

/// CPU time of the process without its children.
pub(crate) fn own_cpu(pid: u32) -> Result<Duration> {
    let line = fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("there is no process {pid}"))?;
    let stat = parse_stat(&line).with_context(|| format!("/proc/{pid}/stat cannot be understood"))?;
    Ok(TICK * stat.own_ticks)
}

fn all_stats() -> Result<HashMap<u32, Stat>> {
    let mut stats = HashMap::new();
    for entry in fs::read_dir("/proc").context("/proc cannot be read")? {
        let entry = entry?;
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process may end between the two reads.
        if let Some(stat) = fs::read_to_string(entry.path().join("stat")).ok().as_deref().and_then(parse_stat) {
            stats.insert(pid, stat);
        }
    }
    Ok(stats)
}

/// `pid (name) state parent …`: the name may hold spaces and parentheses, so the fields are counted from its end.
fn parse_stat(line: &str) -> Option<Stat> {
    let (_, rest) = line.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    // utime, stime, cutime, cstime are the fields 14 to 17 of proc(5); the first one here is field 3.
    let number = |at: usize| fields.get(at)?.parse::<u32>().ok();
    let (own_ticks, reaped_ticks) = (number(11)? + number(12)?, number(13)? + number(14)?);
    Some(Stat { parent: number(1)?, own_ticks, reaped_ticks })
}

fn descends(pid: u32, root: u32, stats: &HashMap<u32, Stat>) -> bool {
    let mut at = pid;
    while at != root {
        match stats.get(&at) {
            Some(stat) if stat.parent != 0 => at = stat.parent,
            _ => return false,
        }
    }
    true
}

fn field_kb(status: &str, name: &str) -> u64 {
    let value = status.lines().find_map(|line| line.strip_prefix(name));
    value.and_then(|value| value.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_with_an_odd_name() {
        let line = "17 (a (b) c) S 3 17 17 0 -1 4194560 1 2 3 4 100 20 3 4 20 0 1 0 99 1000 10";
        assert_eq!(parse_stat(line), Some(Stat { parent: 3, own_ticks: 120, reaped_ticks: 7 }));
        assert_eq!(parse_stat("17 (short) S 3"), None);
    }

    #[test]
    fn descendants_are_found_through_their_parents() {
        let stat = |parent| Stat { parent, own_ticks: 0, reaped_ticks: 0 };
        let stats = HashMap::from([(1, stat(0)), (2, stat(1)), (3, stat(2)), (4, stat(1))]);
        let of_two: Vec<u32> = (1..5).filter(|pid| descends(*pid, 2, &stats)).collect();
        assert_eq!(of_two, [2, 3]);
    }

    #[test]
    fn this_process_uses_memory() {
        let usage = usage(std::process::id()).unwrap();
        assert!(usage.resident_kb > 0 && usage.peak_resident_kb >= usage.resident_kb, "{usage:?}");
    }
}
