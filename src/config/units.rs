//! Texts to values: durations, sizes, counts, switches, addresses. Pure; each refusal says what is wrong
//! with the text and how to write it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::keys::Range;
use super::model::{Address, Bind};
use crate::core::facts::HostPort;

/// `fall` and `rise`.
pub(super) const TIMES: Range = Range {
    least: 1,
    most: 1000,
};

/// `weight`.
pub(super) const WEIGHT: Range = Range {
    least: 1,
    most: 256,
};

/// `max_connections`.
pub(super) const CONNECTIONS: Range = Range {
    least: 1,
    most: 10_000_000,
};

/// `park.max`.
pub(super) const PARKED: Range = Range {
    least: 0,
    ..CONNECTIONS
};

/// `workers`.
pub(super) const WORKERS: Range = Range {
    least: 1,
    most: 1024,
};

/// Longer than anything that is waited for; keeps sums of durations in range.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// `sockaddr_un` holds 108 bytes, the last of them zero.
const LONGEST_SOCKET_PATH: usize = 107;

/// Why a text is refused; `what` goes on after the quoted text.
pub(super) struct Wrong {
    pub(super) what: String,
    pub(super) hint: String,
}

fn wrong<T>(what: impl Into<String>, hint: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong {
        what: what.into(),
        hint: hint.into(),
    })
}

/// `500ms`, `2s`, `1m`, `1h`, also joined (`1m30s`); zero is allowed.
pub(super) fn duration_or_zero(text: &str) -> Result<Duration, Wrong> {
    if whole(text).is_some() {
        return wrong("is a bare number", format!("write {text}ms or {text}s"));
    }
    let parts = split_units(text).filter(|parts| !parts.is_empty());
    let Some(parts) = parts else {
        return wrong(
            "is not a duration",
            "write a whole number and its unit: 500ms, 2s, 1m, 1h",
        );
    };
    let mut total = Duration::ZERO;
    for (number, unit) in parts {
        let milliseconds = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return wrong("has an unknown unit", "the units are ms, s, m and h"),
        };
        total = total.saturating_add(Duration::from_millis(number.saturating_mul(milliseconds)));
    }
    if total > LONGEST {
        return wrong("is too long", "the longest is 8760h, a year");
    }
    Ok(total)
}

/// A duration that must not be zero.
pub(super) fn duration(text: &str) -> Result<Duration, Wrong> {
    match duration_or_zero(text)? {
        Duration::ZERO => wrong("must not be zero", "write a time such as 500ms"),
        duration => Ok(duration),
    }
}

/// A duration above zero of something that can be switched off.
pub(super) fn duration_or_off(text: &str) -> Result<Duration, Wrong> {
    match duration_or_zero(text)? {
        Duration::ZERO => wrong("must not be zero", "write off, or a time such as 5m"),
        duration => Ok(duration),
    }
}

/// `64KiB`, `1MB`, `4096B`; above zero.
pub(super) fn size(text: &str) -> Result<u64, Wrong> {
    if whole(text).is_some() {
        return wrong(
            "is a bare number",
            format!("write {text}B, {text}KiB or {text}MB"),
        );
    }
    let Some([(number, unit)]) = split_units(text)
        .as_deref()
        .and_then(|p| <[_; 1]>::try_from(p).ok())
    else {
        return wrong(
            "is not a size",
            "write a whole number and its unit: 64KiB, 1MB",
        );
    };
    let factor: u64 = match unit {
        "B" => 1,
        "KB" | "kB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => {
            return wrong(
                "has an unknown unit",
                "the units are B, KB, MB, GB, KiB, MiB and GiB",
            );
        }
    };
    match number.checked_mul(factor) {
        Some(0) => wrong("must not be zero", "write a size such as 64MiB"),
        Some(bytes) => Ok(bytes),
        None => wrong("is too large", "write a size such as 64MiB"),
    }
}

/// Pairs of digits and letters with nothing else between them.
fn split_units(text: &str) -> Option<Vec<(u64, &str)>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, after) = after.split_at(letters);
        if unit.is_empty() {
            return None;
        }
        // More digits than fit are too many for every unit.
        let number = match number {
            "" => return None,
            digits => digits.parse().unwrap_or(u64::MAX),
        };
        parts.push((number, unit));
        rest = after;
    }
    Some(parts)
}

/// Digits and nothing else; `parse` alone would take a sign.
fn whole(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

/// A whole number between two others, both included.
fn count_between(text: &str, range: Range) -> Result<u64, Wrong> {
    let Range { least, most } = range;
    match whole(text) {
        Some(number) if range.holds(number) => Ok(number),
        Some(_) => wrong(
            "is out of range",
            format!("write a number from {least} to {most}"),
        ),
        None => wrong(
            "is not a whole number",
            format!("write a number from {least} to {most}"),
        ),
    }
}

/// `fall` and `rise`.
pub(super) fn times(text: &str) -> Result<u32, Wrong> {
    count_between(text, TIMES).map(|number| u32::try_from(number).unwrap_or(1000))
}

/// `weight`.
pub(super) fn weight(text: &str) -> Result<u32, Wrong> {
    count_between(text, WEIGHT).map(|number| u32::try_from(number).unwrap_or(256))
}

/// `max_connections`.
pub(super) fn connections(text: &str) -> Result<usize, Wrong> {
    count_between(text, CONNECTIONS).map(|number| usize::try_from(number).unwrap_or(usize::MAX))
}

/// `park.max`: zero parks nobody.
pub(super) fn parked(text: &str) -> Result<usize, Wrong> {
    count_between(text, PARKED).map(|number| usize::try_from(number).unwrap_or(usize::MAX))
}

/// `workers`.
pub(super) fn workers(text: &str) -> Result<usize, Wrong> {
    count_between(text, WORKERS).map(|number| usize::try_from(number).unwrap_or(1))
}

/// `true` or `false`, and no other word for them.
pub(super) fn switch(text: &str) -> Result<bool, Wrong> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => wrong("is neither true nor false", "write true or false"),
    }
}

/// Any text but none.
pub(super) fn word(text: &str) -> Result<String, Wrong> {
    if text.trim().is_empty() {
        return wrong("is empty", "write a name");
    }
    Ok(text.to_owned())
}

/// A path for a Unix socket.
pub(super) fn socket_path(text: &str) -> Result<PathBuf, Wrong> {
    let path = text.strip_prefix("unix:").unwrap_or(text);
    if !Path::new(path).is_absolute() || path.ends_with('/') {
        return wrong(
            "is not an absolute path",
            "write a path such as /run/rolecall/admin.sock",
        );
    }
    if path.len() > LONGEST_SOCKET_PATH {
        return wrong(
            "is too long for a Unix socket",
            format!("a path may have {LONGEST_SOCKET_PATH} bytes"),
        );
    }
    Ok(PathBuf::from(path))
}

/// The mode of the admin socket, in octal.
pub(super) fn mode(text: &str) -> Result<u32, Wrong> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 && (3..=4).contains(&text.len()) && !text.starts_with('+') => {
            Ok(mode)
        }
        _ => wrong(
            "is not a file mode",
            "write three octal digits after a zero: \"0600\" or \"0660\"",
        ),
    }
}

/// `user` or `user:group`.
pub(super) fn owner(text: &str) -> Result<String, Wrong> {
    let good = |part: &str| !part.is_empty() && !part.contains([':', ' ', '/']);
    let (user, group) = text.split_once(':').unwrap_or((text, "-"));
    if good(user) && good(group) {
        return Ok(text.to_owned());
    }
    wrong("is not an owner", "write user or user:group")
}

/// Where a node or a Sentinel listens: `host:port`, `[::1]:6379` or `unix:/path`.
pub(super) fn address(text: &str) -> Result<Address, Wrong> {
    if text.starts_with("unix:") {
        return socket_path(text).map(Address::Unix);
    }
    let (host, port) = host_and_port(text, "10.1.1.1")?;
    let ip = host.parse::<IpAddr>().ok();
    if ip.is_some_and(|ip| ip.is_unspecified()) {
        return wrong(
            "cannot be dialled",
            "write the address that the node listens on",
        );
    }
    let numeric = host.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if ip.is_none() && (numeric || host.len() > 253 || !host.chars().all(good)) {
        return wrong(
            "is not an address",
            "write host:port, such as 10.1.1.1:6379",
        );
    }
    Ok(Address::Tcp(HostPort::new(&host, port)))
}

/// Where a listener listens: `ip:port`, `[::1]:6379` or `unix:/path`.
pub(super) fn bind(text: &str) -> Result<Bind, Wrong> {
    if text.starts_with("unix:") {
        return socket_path(text).map(Bind::Unix);
    }
    socket_address(text).map(Bind::Tcp)
}

/// A literal address and a port: names are not looked up to listen.
pub(super) fn socket_address(text: &str) -> Result<SocketAddr, Wrong> {
    let (host, port) = host_and_port(text, "127.0.0.1")?;
    match host.parse::<IpAddr>() {
        Ok(ip) => Ok(SocketAddr::new(ip, port)),
        Err(_) => wrong(
            "is a host name",
            format!("write an IP address: 127.0.0.1:{port}, or 0.0.0.0:{port} for all interfaces"),
        ),
    }
}

fn host_and_port(text: &str, example: &str) -> Result<(String, u16), Wrong> {
    let example = format!("{example}:6379");
    if text.contains('@') {
        let what = if text.contains("://") {
            "is a URL"
        } else {
            "names a user or a password"
        };
        return wrong(
            what,
            "write host:port; user and password go into auth of the group",
        );
    }
    if text.contains("://") {
        return wrong(
            "is a URL",
            format!("write only the host and the port: {example}"),
        );
    }
    if text.starts_with('/') {
        return wrong("is a path", "write unix:/path for a Unix socket");
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return wrong("has no port", format!("write host:port, such as {example}"));
    };
    let host = match host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
    {
        Some(inner) if inner.parse::<Ipv6Addr>().is_ok() => inner,
        Some(_) => return wrong("is not an IPv6 address", "write it as [::1]:6379"),
        None if host.contains(':') => {
            return wrong(
                "is ambiguous",
                format!(
                    "write an IPv6 address in brackets, as [::1]:6379; else host:port, such as {example}"
                ),
            );
        }
        None if matches!(host, "" | "*") => {
            return wrong(
                "has no host",
                format!(
                    "write {}:{port} for all interfaces, or one address",
                    Ipv4Addr::UNSPECIFIED
                ),
            );
        }
        None => host,
    };
    match whole(port).and_then(|port| u16::try_from(port).ok()) {
        Some(port) if port > 0 => Ok((host.to_owned(), port)),
        _ => wrong("has no valid port", "a port is a number from 1 to 65535"),
    }
}
