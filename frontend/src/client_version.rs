//! Whether a client and this server can talk at all, by the versions that the client names in its headers.
//!
//! A client tells its own name and version, and may tell which servers it works with. A client that this server does not
//! know is welcome. Versions are `major.minor.patch`; what follows a `-` or `+` does not count. A range is one or more
//! conditions (`>=1.0.0 <2.0.0`), and `||` between alternatives.

use perdure_proto::api::errordetails::{ClientVersionNotSupportedFailure, ServerVersionNotSupportedFailure};
use tonic::Status;

use crate::{
    cluster::{SERVER_VERSION, SUPPORTED_CLIENTS},
    status,
};

type Version = [u64; 3];

/// Empty texts are headers that were not sent.
pub(crate) fn check(name: &str, version: &str, supported_servers: &str) -> Result<(), Status> {
    if let Some((_, range)) = SUPPORTED_CLIENTS.iter().find(|(known, _)| *known == name && !version.is_empty()) {
        let parsed =
            parse(version).map_err(|error| status::invalid(format!("Unable to parse client version: {error}")))?;
        if !holds(range, parsed).map_err(status::invalid)? {
            let detail = ClientVersionNotSupportedFailure {
                client_version: version.to_owned(),
                client_name: name.to_owned(),
                supported_versions: (*range).to_owned(),
            };
            return Err(status::client_version_not_supported(&detail));
        }
    }
    if supported_servers.is_empty() {
        return Ok(());
    }
    // The release of Temporal's that this server answers like.
    let own = SERVER_VERSION.split('-').next().unwrap_or(SERVER_VERSION);
    let suits = parse(own).and_then(|own| holds(supported_servers, own));
    if suits.map_err(|error| status::invalid(format!("Unable to parse supported server versions: {error}")))? {
        return Ok(());
    }
    Err(status::server_version_not_supported(&ServerVersionNotSupportedFailure {
        server_version: own.to_owned(),
        client_supported_server_versions: supported_servers.to_owned(),
    }))
}

fn parse(text: &str) -> Result<Version, String> {
    let core = text.split(['-', '+']).next().unwrap_or_default();
    let mut version = Version::default();
    let parts: Vec<_> = core.split('.').collect();
    if parts.len() != version.len() {
        return Err("No Major.Minor.Patch elements found".to_owned());
    }
    for ((number, part), name) in version.iter_mut().zip(parts).zip(["major", "minor", "patch"]) {
        *number = part.parse().map_err(|_| format!("Invalid character(s) found in {name} number \"{part}\""))?;
    }
    Ok(version)
}

/// Whether the version satisfies one of the alternatives. All are read, so that a mistake in any is told.
fn holds(range: &str, version: Version) -> Result<bool, String> {
    let mut any = false;
    for alternative in range.split("||") {
        let mut all = true;
        for condition in conditions(alternative) {
            all &= satisfies(&condition, version)?;
        }
        any |= all;
    }
    Ok(any)
}

/// Conditions stand apart by blanks; one may also stand between an operator and its version.
fn conditions(alternative: &str) -> Vec<String> {
    let mut conditions = Vec::new();
    let mut operator = String::new();
    for word in alternative.split_whitespace() {
        operator.push_str(word);
        if !word.chars().all(|letter| "<>=!".contains(letter)) {
            conditions.push(std::mem::take(&mut operator));
        }
    }
    conditions.extend((!operator.is_empty()).then_some(operator));
    conditions
}

fn satisfies(condition: &str, version: Version) -> Result<bool, String> {
    let Some(digits) = condition.find(|letter: char| letter.is_ascii_digit()) else {
        return Err(format!("Could not get version from string: \"{condition}\""));
    };
    let (operator, bound) = condition.split_at(digits);
    let bound =
        parse(bound).map_err(|error| format!("Could not parse version \"{bound}\" in \"{condition}\": {error}"))?;
    match operator {
        "" | "=" | "==" => Ok(version == bound),
        "!" | "!=" => Ok(version != bound),
        ">" => Ok(version > bound),
        ">=" => Ok(version >= bound),
        "<" => Ok(version < bound),
        "<=" => Ok(version <= bound),
        _ => Err(format!("Could not parse comparator \"{operator}\" in \"{condition}\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_and_servers() {
        let cases = [
            ("temporal-go", "1.30.0", "", "ok"),
            ("temporal-go", "1.30.0-rc.1", ">=1.0.0 <2.0.0", "ok"),
            ("temporal-go", "", "", "ok"),
            ("temporal-python", "99.0.0", "", "ok"),
            ("somebody-else", "abc", "", "ok"),
            (
                "temporal-go",
                "99.0.0",
                "",
                "Client version 99.0.0 is not supported. Server supports temporal-go versions: <2.0.0",
            ),
            ("temporal-go", "abc", "", "Unable to parse client version: No Major.Minor.Patch elements found"),
            (
                "temporal-go",
                "1.x.0",
                "",
                "Unable to parse client version: Invalid character(s) found in minor number \"x\"",
            ),
            (
                "temporal-go",
                "1.30.0",
                ">=99.0.0",
                "Server version 1.32.1 is not supported. Client supports server versions: >=99.0.0",
            ),
            (
                "temporal-go",
                "1.30.0",
                "abc",
                "Unable to parse supported server versions: Could not get version from string: \"abc\"",
            ),
            (
                "",
                "",
                "~1.0.0",
                "Unable to parse supported server versions: Could not parse comparator \"~\" in \"~1.0.0\"",
            ),
        ];
        for (name, version, servers, expected) in cases {
            let result = check(name, version, servers);
            assert_eq!(result.map_or_else(|status| status.message().to_owned(), |()| "ok".to_owned()), expected);
        }
    }

    #[test]
    fn ranges() {
        let cases = [
            (">=1.0.0 <2.0.0", true),
            (">= 1.0.0 < 2.0.0", true),
            ("<1.0.0 || >=1.32.0", true),
            ("1.32.1", true),
            ("!=1.32.1", false),
            (">1.32.1", false),
            ("<=1.32.1", true),
        ];
        for (range, expected) in cases {
            assert_eq!(holds(range, [1, 32, 1]), Ok(expected), "{range}");
        }
        assert!(holds("<2.0.0 || abc", [1, 32, 1]).is_err());
        assert!(holds(">=", [1, 32, 1]).is_err());
    }
}
