//! Durations as people write them.

use std::time::Duration;

/// `90s`, `15m`, `72h`, `3d`, or several of them one behind the other. A bare number counts days, as in `tctl`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let invalid = || format!("{text:?} is not a duration: write it like 90s, 15m, 72h or 3d");
    let mut rest = text.trim();
    let mut seconds = 0_u64;
    loop {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let number: u64 = number.parse().map_err(|_| invalid())?;
        let mut unit = after.chars();
        let factor = match unit.next() {
            None | Some('d') => 24 * 60 * 60,
            Some('h') => 60 * 60,
            Some('m') => 60,
            Some('s') => 1,
            Some(_) => return Err(invalid()),
        };
        seconds = number.checked_mul(factor).and_then(|part| seconds.checked_add(part)).ok_or_else(invalid)?;
        rest = unit.as_str();
        if rest.is_empty() {
            return Ok(Duration::from_secs(seconds));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let cases = [
            ("90s", Some(90)),
            ("15m", Some(900)),
            ("72h", Some(259_200)),
            ("72h0m0s", Some(259_200)),
            ("3d", Some(259_200)),
            ("3", Some(259_200)),
            ("1d12h", Some(129_600)),
            ("", None),
            ("h", None),
            ("1w", None),
            ("-1h", None),
            ("99999999999999999999h", None),
            ("9999999999999999d", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_duration(text).ok(), expected.map(Duration::from_secs), "{text}");
        }
    }
}
