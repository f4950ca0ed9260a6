//! Which product answers INFO server: for people, and for what a version can do.

use std::fmt;

/// The product behind a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// Redis, or whatever says no more than `redis_version`.
    Redis,
    /// Valkey.
    Valkey,
    /// Dragonfly.
    Dragonfly,
}

impl Product {
    /// By the keys of INFO server: all of them give `redis_version` for the sake of old clients.
    pub fn read(info: &str) -> Self {
        let has = |key: &str| info.lines().any(|line| line.starts_with(key));
        match () {
            () if has("valkey_version:") || has("server_name:valkey") => Self::Valkey,
            () if has("dragonfly_version:") => Self::Dragonfly,
            () => Self::Redis,
        }
    }
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Redis => "redis",
            Self::Valkey => "valkey",
            Self::Dragonfly => "dragonfly",
        })
    }
}

/// The first two numbers of a version such as `7.0.15`.
pub fn major_minor(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split('.');
    let major = numbers.next()?.parse().ok()?;
    let minor = numbers.next().and_then(|minor| minor.parse().ok());
    Some((major, minor.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_told_apart_by_their_own_version_keys() {
        let of = |text: &str| Product::read(text).to_string();
        assert_eq!(of("# Server\r\nredis_version:7.0.15\r\n"), "redis");
        let valkey = "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1\r\n";
        assert_eq!(of(valkey), "valkey");
        let dragonfly = "redis_version:7.4.0\r\ndragonfly_version:df-v1.25.0\r\n";
        assert_eq!(of(dragonfly), "dragonfly");
    }

    #[test]
    fn versions_are_compared_by_two_numbers() {
        assert_eq!(major_minor("7.0.15"), Some((7, 0)));
        assert_eq!(major_minor("6"), Some((6, 0)));
        assert_eq!(major_minor("255.255.255"), Some((255, 255)));
        assert_eq!(major_minor("df-v1.2"), None);
    }
}
