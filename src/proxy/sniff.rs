//! What the first bytes of each side tell: a replica at work (R14), a node that turns clients away
//! (R11). Looks at a few bytes of a chunk, never keeps any, and is no parser of the protocol: what it
//! does not understand is an ordinary client.

use std::str;

/// Commands looked at in one chunk: a replica's handshake has fewer.
const COMMANDS: usize = 8;

/// Arguments that a command may have to be looked past.
const ARGUMENTS: usize = 16;

/// What a chunk from a node says at its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Complaint {
    /// -READONLY: it is a replica.
    ReadOnly,
    /// -LOADING or -MASTERDOWN: it serves nobody now.
    Unable,
    /// Its maxclients is reached (R8): the client's connection is turned away.
    Full,
}

/// Whether one of the commands that begin in this chunk is one that only replicas send.
pub(super) fn is_replication(chunk: &[u8]) -> bool {
    let mut rest = chunk;
    for _ in 0..COMMANDS {
        let Some((word, next)) = command(rest) else {
            return false;
        };
        if [&b"REPLCONF"[..], b"PSYNC", b"SYNC"]
            .iter()
            .any(|name| word.eq_ignore_ascii_case(name))
        {
            return true;
        }
        rest = next;
    }
    false
}

/// Whether a chunk begins with an error that asks for a check (R11).
pub(super) fn complaint(chunk: &[u8]) -> Option<Complaint> {
    if chunk.starts_with(b"-READONLY") {
        return Some(Complaint::ReadOnly);
    }
    if chunk.starts_with(b"-ERR max number of clients") {
        return Some(Complaint::Full);
    }
    (chunk.starts_with(b"-LOADING") || chunk.starts_with(b"-MASTERDOWN"))
        .then_some(Complaint::Unable)
}

/// The name of the first command, and what follows the command.
fn command(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (head, mut rest) = line(bytes)?;
    if head.first()?.is_ascii_alphabetic() {
        let word = head.split(|byte| *byte == b' ').next()?;
        return Some((word, rest));
    }
    let count = number(head, b'*')?;
    let mut name = None;
    for _ in 0..count.min(ARGUMENTS) {
        let Some((argument, next)) = bulk(rest) else {
            // Cut off by the end of the chunk: the name is all that was wanted.
            return name.map(|name| (name, &[][..]));
        };
        name = name.or(Some(argument));
        rest = next;
    }
    Some((name?, rest))
}

fn bulk(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (head, rest) = line(bytes)?;
    let length = number(head, b'$')?;
    let argument = rest.get(..length)?;
    Some((argument, rest.get(length..)?.strip_prefix(b"\r\n")?))
}

fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    // A head is a few digits, an inline command of a replica two words.
    let end = bytes.iter().take(128).position(|byte| *byte == b'\n')?;
    let head = &bytes[..end];
    Some((head.strip_suffix(b"\r").unwrap_or(head), &bytes[end + 1..]))
}

fn number(head: &[u8], mark: u8) -> Option<usize> {
    let digits = head.strip_prefix(&[mark])?;
    str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_a_replica() {
        for handshake in [
            &b"*3\r\n$8\r\nREPLCONF\r\n$14\r\nlistening-port\r\n$4\r\n6380\r\n"[..],
            b"*2\r\n$4\r\nAUTH\r\n$1\r\nx\r\n*3\r\n$8\r\nreplconf\r\n$4\r\ncapa\r\n",
            b"*1\r\n$4\r\nPING\r\n*3\r\n$5\r\nPSYNC\r\n$1\r\n?\r\n$2\r\n-1\r\n",
            b"SYNC\r\n",
            b"PING\r\npsync ? -1\n",
        ] {
            assert!(is_replication(handshake), "{}", handshake.escape_ascii());
        }
    }

    #[test]
    fn takes_nobody_else_for_one() {
        for ordinary in [
            &b""[..],
            b"*3\r\n$3\r\nSET\r\n$4\r\nSYNC\r\n$5\r\nPSYNC\r\n",
            b"*2\r\n$3\r\nGET\r\n$8\r\nREPLCONF\r\n",
            b"*99999999999999999999999\r\n$4\r\nSYNC\r\n",
            b"*-1\r\n",
            b"*1\r\n$18446744073709551615\r\nSYNC\r\n",
            b"GET SYNC\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00",
        ] {
            assert!(!is_replication(ordinary), "{}", ordinary.escape_ascii());
        }
    }

    #[test]
    fn hears_complaints() {
        assert_eq!(
            complaint(b"-READONLY You can't write against a read only replica.\r\n"),
            Some(Complaint::ReadOnly)
        );
        assert_eq!(
            complaint(b"-LOADING Redis is loading"),
            Some(Complaint::Unable)
        );
        assert_eq!(complaint(b"-MASTERDOWN Link with"), Some(Complaint::Unable));
        assert_eq!(
            complaint(b"-ERR max number of clients reached\r\n"),
            Some(Complaint::Full)
        );
        assert_eq!(complaint(b"-ERR unknown command"), None);
    }
}
