//! Which replicas, which other Sentinels and which groups a Sentinel knows: its answers to `SENTINEL
//! REPLICAS` (Redis 5 and later), `SENTINEL SENTINELS` and `SENTINEL MASTERS`.
//!
//! The only replies of all with an array within an array. They are read a flat array at a time, so nothing
//! nested reaches the decoder.

use super::resp::{self, REPLY_CAP, Reply};
use crate::core::discovery::Listed;
use crate::core::facts::{HostPort, RunId};

/// More entries than this are no list that a Sentinel gives.
const MOST: usize = 512;

/// What a Sentinel may be asked to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What<'a> {
    /// The replicas of the group that it calls so.
    Replicas(&'a str),
    /// The other Sentinels that watch the group that it calls so.
    Sentinels(&'a str),
    /// All groups that it watches, each by its primary.
    Masters,
}

/// An entry of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What the Sentinel calls it; of a group its name, which is printable.
    pub name: String,
    /// Where it is, and which process.
    pub listed: Listed,
}

/// One question for a list, on a connection that is logged in.
#[derive(Default)]
pub struct Listing {
    unread: Vec<u8>,
    /// Entries that are still to come, once the head was read.
    left: Option<usize>,
    entries: Vec<Entry>,
}

impl Listing {
    /// Begins to ask. The second value is what to send.
    pub fn new(what: What<'_>) -> (Self, Vec<u8>) {
        let mut request = Vec::new();
        let words: &[&str] = match &what {
            What::Replicas(master_name) => &["SENTINEL", "REPLICAS", master_name],
            What::Sentinels(master_name) => &["SENTINEL", "SENTINELS", master_name],
            What::Masters => &["SENTINEL", "MASTERS"],
        };
        resp::command(&mut request, words);
        (Self::default(), request)
    }

    /// Takes in what came; none while more is needed. After an answer feed nothing more.
    ///
    /// # Errors
    /// What came instead of a list, in words.
    pub fn feed(&mut self, bytes: &[u8]) -> Option<Result<Vec<Entry>, String>> {
        self.unread.extend_from_slice(bytes);
        loop {
            match self.step() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(why) => return Some(Err(why)),
            }
            if self.left == Some(0) {
                return Some(Ok(std::mem::take(&mut self.entries)));
            }
        }
    }

    /// Reads the head or one entry. False while bytes are missing.
    fn step(&mut self) -> Result<bool, String> {
        let Some(left) = self.left else {
            let Some((count, length)) = head(&self.unread)? else {
                return Ok(false);
            };
            self.unread.drain(..length);
            self.left = Some(count);
            return Ok(true);
        };
        let entry = resp::next_flat_array(&self.unread).map_err(|error| error.to_string())?;
        let Some((fields, length)) = entry else {
            return if self.unread.len() > REPLY_CAP {
                Err(format!("an entry longer than {REPLY_CAP} bytes"))
            } else {
                Ok(false)
            };
        };
        self.unread.drain(..length);
        self.left = Some(left.saturating_sub(1));
        self.entries.extend(entry_of(&fields));
        Ok(true)
    }
}

/// The number of entries and the length of their head; none while its end is missing.
fn head(bytes: &[u8]) -> Result<Option<(usize, usize)>, String> {
    match bytes.first() {
        None => return Ok(None),
        Some(b'*') => {}
        Some(_) => {
            let said = resp::next_reply(bytes).map_err(|error| error.to_string())?;
            return match said {
                None => Ok(None),
                Some((Reply::Error(text), _)) => Err(format!("it said {text}")),
                Some(_) => Err("a plain reply where a list was expected".to_owned()),
            };
        }
    }
    let Some(end) = bytes.windows(2).position(|pair| pair == b"\r\n") else {
        return if bytes.len() > 16 {
            Err("a length that is no number".to_owned())
        } else {
            Ok(None)
        };
    };
    let digits = std::str::from_utf8(bytes.get(1..end).unwrap_or_default()).unwrap_or_default();
    match digits.parse() {
        Ok(count) if count <= MOST => Ok(Some((count, end + 2))),
        _ => Err(format!(
            "a list that is none, or longer than {MOST} entries"
        )),
    }
}

/// An entry, unless it has no address or asks not to be shown (`replica-announced 0`, Redis 6.2).
fn entry_of(fields: &[Reply]) -> Option<Entry> {
    let field = |name: &str| {
        let mut pairs = fields.chunks_exact(2);
        pairs.find_map(|pair| match (pair.first()?, pair.get(1)?) {
            (Reply::Bulk(key), Reply::Bulk(value)) if key == name.as_bytes() => {
                std::str::from_utf8(value).ok()
            }
            _ => None,
        })
    };
    if field("replica-announced") == Some("0") {
        return None;
    }
    Some(Entry {
        name: resp::printable(field("name").unwrap_or_default().as_bytes()),
        listed: Listed {
            address: HostPort::new(
                field("ip").filter(|ip| is_host(ip))?,
                field("port")?.parse().ok()?,
            ),
            run_id: field("runid")
                .filter(|run| !run.is_empty())
                .map(|run| RunId(run.into())),
        },
    })
}

/// It becomes a name in the log and on terminals, so nothing but what hosts are made of.
pub(super) fn is_host(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:%".contains(&byte);
    !text.is_empty() && text.len() <= 255 && text.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(words: &[&str]) -> Vec<u8> {
        let mut bytes = Vec::new();
        resp::command(&mut bytes, words);
        bytes
    }

    fn answer() -> Vec<u8> {
        let mut bytes = b"*4\r\n".to_vec();
        bytes.extend(entry(&[
            "name", "a", "ip", "10.1.1.2", "port", "6379", "runid", "abc",
        ]));
        bytes.extend(entry(&["ip", "\u{1b}[2J", "port", "6379", "runid", "x"]));
        bytes.extend(entry(&[
            "ip", "fd00::3", "port", "6380", "runid", "", "flags", "s_down",
        ]));
        bytes.extend(entry(&[
            "ip",
            "10.1.1.4",
            "port",
            "6379",
            "replica-announced",
            "0",
        ]));
        bytes
    }

    fn expected() -> Vec<Entry> {
        let entry = |name: &str, ip, port, run: Option<&str>| Entry {
            name: name.to_owned(),
            listed: Listed {
                address: HostPort::new(ip, port),
                run_id: run.map(|run| RunId(run.into())),
            },
        };
        vec![
            entry("a", "10.1.1.2", 6379, Some("abc")),
            entry("", "fd00::3", 6380, None),
        ]
    }

    #[test]
    fn a_list_is_read_however_it_is_split() {
        let bytes = answer();
        for split in 0..bytes.len() {
            let (mut query, _) = Listing::new(What::Replicas("m"));
            let (first, second) = bytes.split_at(split);
            assert_eq!(query.feed(first), None, "at {split}");
            assert_eq!(query.feed(second), Some(Ok(expected())), "at {split}");
        }
    }

    #[test]
    fn no_replicas_are_an_empty_list() {
        let (mut query, request) = Listing::new(What::Replicas("m"));
        assert_eq!(request, entry(&["SENTINEL", "REPLICAS", "m"]));
        assert_eq!(query.feed(b"*0\r\n"), Some(Ok(Vec::new())));
    }

    #[test]
    fn other_sentinels_and_groups_are_asked_for_in_their_own_words() {
        let request = |what| Listing::new(what).1;
        let others = entry(&["SENTINEL", "SENTINELS", "m"]);
        assert_eq!(request(What::Sentinels("m")), others);
        assert_eq!(request(What::Masters), entry(&["SENTINEL", "MASTERS"]));
    }

    #[test]
    fn a_name_that_would_move_the_cursor_is_made_printable() {
        let mut bytes = b"*1\r\n".to_vec();
        bytes.extend(entry(&["name", "a\u{1b}[2J", "ip", "h", "port", "1"]));
        let (mut query, _) = Listing::new(What::Masters);
        let named = query.feed(&bytes).expect("an end").expect("a list");
        assert!(!named[0].name.contains('\u{1b}'), "{:?}", named[0].name);
    }

    #[test]
    fn what_is_no_list_is_told() {
        for (bytes, words) in [
            (&b"-ERR No such master\r\n"[..], "No such master"),
            (b"+OK\r\n", "plain reply"),
            (b"*99999\r\n", "longer than"),
            (b"*-1\r\n", "a list that is none"),
            (b"*x\r\n", "a list that is none"),
            (b"*1111111111111111111111", "no number"),
            (b"*1\r\n+OK\r\n", "an array was expected"),
            (b"*1\r\n*1\r\n*1\r\n", "an array where"),
            (b"HTTP/1.1 400\r\n", "not RESP"),
        ] {
            let (mut query, _) = Listing::new(What::Replicas("m"));
            let said = query.feed(bytes).expect("an end").expect_err("an error");
            assert!(said.contains(words), "{said}");
        }
    }
}
