//! Exact RESP2 framing: which bytes are one whole reply, and what does it say.
//!
//! `redis-protocol` decodes, this module decides what it gets to see. The crate recurses into nested
//! arrays until the stack overflows, takes any two bytes for the end of a bulk string, and waits for
//! whatever length a node announces. So nothing reaches it before the frame is known to be complete, of
//! an expected kind, at most [`REPLY_CAP`] long and ended by CRLF.

use redis_protocol::resp2::decode::decode_range;
use redis_protocol::resp2::types::RangeFrame;

/// The longest reply that is read, in bytes of its line or its bulk string. INFO sections of a node with
/// hundreds of replicas take a fraction of it.
pub const REPLY_CAP: usize = 64 * 1024;

/// How much of an answer that is not RESP is shown, in bytes.
pub(crate) const SAID: usize = 40;

/// The longest length of a bulk string or an array as text: `$` and `65536` with room to spare.
const LENGTH_DIGITS: usize = 20;

/// One reply of RESP2, without arrays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// `+OK`. Bytes that are no UTF-8 are replaced.
    Simple(String),
    /// `-ERR ...`, without the minus. Bytes that are no UTF-8 are replaced.
    Error(String),
    /// `:1`.
    Integer(i64),
    /// `$2`, then two bytes.
    Bulk(Vec<u8>),
    /// `$-1`.
    Null,
}

/// Why bytes are no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RespError {
    /// The first byte begins no reply of RESP2.
    #[error("not RESP: {said}")]
    NotResp {
        /// The beginning of what came, at most a line and 40 bytes, made printable.
        said: String,
    },
    /// More than [`REPLY_CAP`] bytes, announced or received.
    #[error("a reply longer than {REPLY_CAP} bytes")]
    TooLong,
    /// An array where a plain reply was expected.
    #[error("an array where a plain reply was expected")]
    Nested,
    /// RESP in its first byte only.
    #[error("a malformed reply: {0}")]
    Malformed(&'static str),
}

/// The first reply in `buf` and how many bytes it takes; none while bytes are missing.
///
/// # Errors
/// As soon as the bytes can become no reply of at most [`REPLY_CAP`] bytes that is not an array,
/// whatever follows. After an error the stream has no frames any more and must be dropped.
pub fn next_reply(buf: &[u8]) -> Result<Option<(Reply, usize)>, RespError> {
    let length = match buf.first() {
        None => return Ok(None),
        Some(b'+' | b'-' | b':') => line_length(buf, REPLY_CAP)?,
        Some(b'$') => bulk_length(buf)?,
        Some(b'*') => return Err(RespError::Nested),
        Some(_) => return Err(not_resp(buf)),
    };
    match length.and_then(|length| buf.get(..length)) {
        None => Ok(None),
        Some(frame) => Ok(Some((decode(frame)?, frame.len()))),
    }
}

/// The first array in `buf`, as Sentinel sends them: its elements are plain replies. None while bytes
/// are missing; `*-1` is an empty array.
///
/// # Errors
/// As [`next_reply`]; also when the first reply is no array, and when all elements together pass
/// [`REPLY_CAP`].
pub fn next_flat_array(buf: &[u8]) -> Result<Option<(Vec<Reply>, usize)>, RespError> {
    match buf.first() {
        None => return Ok(None),
        Some(b'*') => {}
        Some(b'+' | b'-' | b':' | b'$') => {
            return Err(RespError::Malformed(
                "a plain reply where an array was expected",
            ));
        }
        Some(_) => return Err(not_resp(buf)),
    }
    let Some((count, mut used)) = announced_length(buf)? else {
        return Ok(None);
    };
    let mut elements = Vec::new();
    for _ in 0..count.unwrap_or(0) {
        let Some((element, length)) = next_reply(buf.get(used..).unwrap_or_default())? else {
            return Ok(None);
        };
        elements.push(element);
        used += length;
        if used > REPLY_CAP {
            return Err(RespError::TooLong);
        }
    }
    Ok(Some((elements, used)))
}

/// Appends a command to `out`, as the array of bulk strings that servers read: nothing in a password
/// needs quoting.
pub fn command(out: &mut Vec<u8>, parts: &[&str]) {
    out.extend_from_slice(format!("*{}\r\n", parts.len()).as_bytes());
    for part in parts {
        out.extend_from_slice(format!("${}\r\n{part}\r\n", part.len()).as_bytes());
    }
}

/// The length of the line at the start of `buf`, CRLF included; none while its end is missing.
fn line_length(buf: &[u8], cap: usize) -> Result<Option<usize>, RespError> {
    let Some(line_feed) = buf.iter().position(|byte| *byte == b'\n') else {
        return if buf.len() > cap {
            Err(RespError::TooLong)
        } else {
            Ok(None)
        };
    };
    if line_feed >= cap {
        return Err(RespError::TooLong);
    }
    let line = buf.get(..line_feed).unwrap_or_default();
    match line.iter().position(|byte| *byte == b'\r') {
        Some(carriage_return) if carriage_return + 1 == line_feed => Ok(Some(line_feed + 1)),
        _ => Err(RespError::Malformed("a line that does not end in CRLF")),
    }
}

/// The length of the bulk string at the start of `buf`, header and CRLF included; none while its
/// header is incomplete.
fn bulk_length(buf: &[u8]) -> Result<Option<usize>, RespError> {
    let Some((announced, header)) = announced_length(buf)? else {
        return Ok(None);
    };
    let Some(bytes) = announced else {
        return Ok(Some(header));
    };
    let end = header + bytes;
    // The end is looked at byte by byte, as it comes.
    match (buf.get(end), buf.get(end + 1)) {
        (None | Some(b'\r'), None) | (Some(b'\r'), Some(b'\n')) => Ok(Some(end + 2)),
        _ => Err(RespError::Malformed(
            "a bulk string that does not end in CRLF",
        )),
    }
}

/// The number after the first byte and the length of its line; the number is none for -1. None while
/// the line is incomplete.
fn announced_length(buf: &[u8]) -> Result<Option<(Option<usize>, usize)>, RespError> {
    let line = match line_length(buf, LENGTH_DIGITS) {
        Ok(None) => return Ok(None),
        Ok(Some(line)) => line,
        // Not the reply is too long, but the number: no server writes one so.
        Err(_) => return Err(RespError::Malformed("a length that is no number")),
    };
    match buf.get(1..line - 2).unwrap_or_default() {
        b"-1" => Ok(Some((None, line))),
        digits => match number(digits) {
            None => Err(RespError::Malformed("a length that is no number")),
            Some(length) if length > REPLY_CAP => Err(RespError::TooLong),
            Some(length) => Ok(Some((Some(length), line))),
        },
    }
}

/// Digits and nothing else: `parse` alone would also take a plus sign.
fn number(digits: &[u8]) -> Option<usize> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Decodes a frame whose length is known to be right.
fn decode(frame: &[u8]) -> Result<Reply, RespError> {
    let text = |(start, end): (usize, usize)| {
        String::from_utf8_lossy(frame.get(start..end).unwrap_or_default()).into_owned()
    };
    match decode_range(frame) {
        Ok(Some((RangeFrame::SimpleString(range), _))) => Ok(Reply::Simple(text(range))),
        Ok(Some((RangeFrame::Error(range), _))) => Ok(Reply::Error(text(range))),
        Ok(Some((RangeFrame::Integer(number), _))) => Ok(Reply::Integer(number)),
        Ok(Some((RangeFrame::BulkString((start, end)), _))) => Ok(Reply::Bulk(
            frame.get(start..end).unwrap_or_default().to_vec(),
        )),
        Ok(Some((RangeFrame::Null, _))) => Ok(Reply::Null),
        Ok(Some((RangeFrame::Array(_), _))) => Err(RespError::Nested),
        Ok(None) | Err(_) => Err(RespError::Malformed("a number that is none")),
    }
}

fn not_resp(buf: &[u8]) -> RespError {
    RespError::NotResp {
        said: printable(buf),
    }
}

/// The first line of `bytes`, at most [`SAID`] of them, with what cannot be printed escaped.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let line = bytes
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let start = line.get(..SAID.min(line.len())).unwrap_or_default();
    start.escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(bytes: &[u8]) -> Reply {
        let (reply, used) = next_reply(bytes).unwrap().unwrap();
        assert_eq!(used, bytes.len());
        reply
    }

    fn wrong(bytes: &[u8]) -> RespError {
        next_reply(bytes).unwrap_err()
    }

    #[test]
    fn plain_replies_are_read() {
        assert_eq!(whole(b"+PONG\r\n"), Reply::Simple("PONG".into()));
        assert_eq!(whole(b"+\r\n"), Reply::Simple(String::new()));
        assert_eq!(whole(b"-ERR no\r\n"), Reply::Error("ERR no".into()));
        assert_eq!(whole(b"-\xff\r\n"), Reply::Error("\u{fffd}".into()));
        assert_eq!(whole(b":-12\r\n"), Reply::Integer(-12));
        assert_eq!(whole(b"$4\r\na\r\nb\r\n"), Reply::Bulk(b"a\r\nb".to_vec()));
        assert_eq!(whole(b"$0\r\n\r\n"), Reply::Bulk(Vec::new()));
        assert_eq!(whole(b"$-1\r\n"), Reply::Null);
    }

    #[test]
    fn nothing_is_said_about_a_reply_before_its_last_byte() {
        for reply in [
            &b"+PONG\r\n"[..],
            b"-ERR no\r\n",
            b":1\r\n",
            b"$3\r\nabc\r\n",
            b"$-1\r\n",
        ] {
            for end in 0..reply.len() {
                assert_eq!(next_reply(&reply[..end]), Ok(None), "{end} of {reply:?}");
            }
            let mut followed = reply.to_vec();
            followed.extend_from_slice(b"HTTP");
            assert_eq!(next_reply(&followed).unwrap().unwrap().1, reply.len());
        }
    }

    #[test]
    fn what_is_not_resp_is_quoted() {
        let said = |bytes: &[u8]| match wrong(bytes) {
            RespError::NotResp { said } => said,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            said(b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n"),
            "HTTP/1.1 400 Bad Request"
        );
        assert_eq!(said(b"\x15\x03\x01"), "\\x15\\x03\\x01");
        assert_eq!(said(&[b'S'; 100]).len(), SAID);
        assert_eq!(said(b"\r\n"), "");
    }

    #[test]
    fn a_reply_that_announces_too_much_is_refused_before_it_comes() {
        assert_eq!(wrong(b"$65537\r\n"), RespError::TooLong);
        assert_eq!(next_reply(b"$65536\r\n"), Ok(None));
        assert_eq!(
            wrong(b"$9223372036854775807\r\n").to_string(),
            wrong(b"$x\r\n").to_string()
        );
        assert_eq!(wrong(b"$512000000\r\n"), RespError::TooLong);
    }

    #[test]
    fn a_line_that_never_ends_is_refused_at_the_cap() {
        let mut line = vec![b'+'];
        line.resize(REPLY_CAP, b'a');
        assert_eq!(next_reply(&line), Ok(None));
        line.push(b'a');
        assert_eq!(wrong(&line), RespError::TooLong);
        line.extend_from_slice(b"\r\n");
        assert_eq!(wrong(&line), RespError::TooLong);
    }

    #[test]
    fn what_only_begins_like_resp_is_malformed() {
        for bytes in [
            &b"+a\n"[..],
            b"+a\rb\r\n",
            b":x\r\n",
            b":\r\n",
            b":99999999999999999999\r\n",
            b"$x\r\n",
            b"$\r\n",
            b"$+1\r\n",
            b"$-2\r\n",
            b"$1\n",
            b"$00000000000000000000",
            b"$1\r\nab",
            b"$1\r\na\rb",
        ] {
            assert!(
                matches!(wrong(bytes), RespError::Malformed(_)),
                "{}",
                bytes.escape_ascii()
            );
        }
    }

    #[test]
    fn nested_arrays_never_reach_the_decoder() {
        let nested = b"*1\r\n".repeat(8 * 1024);
        assert_eq!(wrong(&nested), RespError::Nested);
        assert_eq!(next_flat_array(&nested), Err(RespError::Nested));
    }

    #[test]
    fn flat_arrays_are_read_for_sentinel() {
        let array = b"*4\r\n$4\r\nname\r\n:7\r\n$-1\r\n+ok\r\n";
        let elements = vec![
            Reply::Bulk(b"name".to_vec()),
            Reply::Integer(7),
            Reply::Null,
            Reply::Simple("ok".into()),
        ];
        assert_eq!(next_flat_array(array), Ok(Some((elements, array.len()))));
        for end in 0..array.len() {
            assert_eq!(next_flat_array(&array[..end]), Ok(None), "{end}");
        }
        assert_eq!(next_flat_array(b"*-1\r\n+"), Ok(Some((Vec::new(), 5))));
        assert_eq!(next_flat_array(b"*0\r\n"), Ok(Some((Vec::new(), 4))));
        assert!(matches!(
            next_flat_array(b"+OK\r\n"),
            Err(RespError::Malformed(_))
        ));
        assert!(matches!(
            next_flat_array(b"HTTP"),
            Err(RespError::NotResp { .. })
        ));
        assert_eq!(next_flat_array(b"*70000\r\n"), Err(RespError::TooLong));
        let mut endless = b"*60000\r\n".to_vec();
        endless.extend_from_slice(&b"+a\r\n".repeat(20_000));
        assert_eq!(next_flat_array(&endless), Err(RespError::TooLong));
    }

    #[test]
    fn the_cap_is_for_a_whole_array() {
        let of_length = |length: usize| {
            let half = "a".repeat(REPLY_CAP / 2);
            let mut array = format!("*2\r\n+{half}\r\n+").into_bytes();
            array.resize(length - 2, b'a');
            array.extend_from_slice(b"\r\n");
            array
        };
        let (_, used) = next_flat_array(&of_length(REPLY_CAP)).unwrap().unwrap();
        assert_eq!(used, REPLY_CAP);
        for length in [REPLY_CAP + 1, REPLY_CAP + 100] {
            assert_eq!(next_flat_array(&of_length(length)), Err(RespError::TooLong));
        }
    }

    #[test]
    fn commands_are_counted_in_bytes() {
        let mut out = Vec::new();
        command(&mut out, &["AUTH", "p\"\r\n ä"]);
        assert_eq!(out, "*2\r\n$4\r\nAUTH\r\n$7\r\np\"\r\n ä\r\n".as_bytes());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            for end in 0..=bytes.len() {
                let _ = next_reply(&bytes[..end]);
                let _ = next_flat_array(&bytes[..end]);
            }
        }

        #[test]
        fn bytes_of_resps_own_alphabet_never_panic(text in "[-+:$*0-9a\r\n]{0,60}") {
            for end in 0..=text.len() {
                let _ = next_reply(&text.as_bytes()[..end]);
                let _ = next_flat_array(&text.as_bytes()[..end]);
            }
        }
    }
}
