//! Where replies begin, in a stream of bytes that passes by: RESP2 and RESP3, cut anywhere.
//!
//! It follows frames and nothing else: no copy, no allocation, no recursion, so that the data plane can
//! afford it for each chunk. It needs to know one kind of reply, the *refusal*: Redis says with a fixed
//! text that the node is no primary any more and that the command was not executed. A bulk that holds the
//! same text is none, nor is an error within an aggregate.
//!
//! What is not canonical, and what Redis does not send (streamed strings and aggregates), makes it lost
//! for good: from then on nothing is taken for a refusal.

/// How replies begin that prove that a command was not executed because the node is a replica now.
const REFUSALS: [&[u8]; 4] = [
    b"-READONLY You can't write",
    b"-READONLY Can not run script",
    // Not "client unblocked via CLIENT UNBLOCK", which somebody wanted.
    b"-UNBLOCKED force unblock",
    // A MULTI that began before the change and ends after it.
    b"-EXECABORT Transaction discarded because of: READONLY You can't write",
];

/// What counts as a short line.
const SHORT: usize = 32;

/// Every refusal is possible yet.
const ANY: u8 = (1 << REFUSALS.len()) - 1;

/// Where a stream of replies has got to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replies {
    /// Values that the reply under way lacks; 0 between replies.
    lacks: u64,
    /// In a header: its number so far. In a body: its bytes that are to come.
    count: u64,
    phase: Phase,
    /// The first byte of the header under way.
    mark: u8,
    /// Which refusals the line under way may still be, one bit each.
    maybe: u8,
    /// How many bytes of the line, or digits of the header, were seen.
    seen: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// The first byte of a value is next.
    #[default]
    Value,
    /// In the beginning of an error that may be a refusal.
    Error,
    /// In a line.
    Line,
    /// After the CR of a line or of a body.
    LineFeed,
    /// In the number of a header.
    Header,
    /// In the number -1.
    Null,
    /// After the CR of the header of something that is there.
    HeaderLineFeed,
    /// In a body.
    Body,
    /// What came is not understood.
    Lost,
}

impl Replies {
    /// A stream that is not followed.
    pub fn lost() -> Self {
        Self {
            phase: Phase::Lost,
            ..Self::default()
        }
    }

    /// Whether the last reply is complete and no other has begun. A stream that is lost never is.
    pub fn is_between(&self) -> bool {
        self.phase == Phase::Value && self.lacks == 0
    }

    /// Whether it has met something that it does not understand.
    pub fn is_lost(&self) -> bool {
        self.phase == Phase::Lost
    }

    /// Follows the next bytes. When a refusal is among them: how many bytes stand before it. It counts as
    /// soon as its text is complete; if it began in an earlier chunk, nothing stands before it.
    pub fn follow(&mut self, chunk: &[u8]) -> Option<usize> {
        let mut at = 0;
        let mut begun = 0;
        while let Some(&byte) = chunk.get(at) {
            let rest = &chunk[at..];
            at += match self.phase {
                Phase::Value => {
                    if let Some(length) = short_value(rest) {
                        self.lacks = self.lacks.saturating_sub(1);
                        length
                    } else {
                        if self.lacks == 0 {
                            begun = at;
                        }
                        self.begin(byte);
                        1
                    }
                }
                Phase::Error => match self.compare(rest) {
                    Some(length) => length,
                    None => return Some(begun),
                },
                Phase::Line => self.skip_line(rest),
                Phase::Header => self.read_number(rest),
                Phase::Body => self.skip_body(rest),
                Phase::Null => {
                    self.read_null(byte);
                    1
                }
                Phase::LineFeed => {
                    self.end_value(byte);
                    1
                }
                Phase::HeaderLineFeed => {
                    self.end_header(byte);
                    1
                }
                Phase::Lost => return None,
            };
        }
        None
    }

    fn begin(&mut self, mark: u8) {
        let is_reply = self.lacks == 0;
        self.lacks = self.lacks.max(1);
        self.phase = match mark {
            b'-' if is_reply => {
                self.maybe = ANY;
                self.seen = 1;
                Phase::Error
            }
            b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(' => Phase::Line,
            b'$' | b'=' | b'!' | b'*' | b'~' | b'>' | b'%' | b'|' => {
                self.mark = mark;
                self.count = 0;
                self.seen = 0;
                Phase::Header
            }
            _ => Phase::Lost,
        };
    }

    /// Compares an error with the refusals, and returns how many bytes this took. None: it is one.
    fn compare(&mut self, rest: &[u8]) -> Option<usize> {
        let seen = usize::from(self.seen);
        for (index, text) in REFUSALS.iter().enumerate() {
            let Some(wanted) = text.get(seen..).filter(|_| self.maybe & (1 << index) != 0) else {
                continue;
            };
            if rest.starts_with(wanted) {
                self.phase = Phase::Lost;
                return None;
            }
            if !wanted.starts_with(rest) {
                self.maybe &= !(1 << index);
            }
        }
        if self.maybe == 0 {
            self.phase = Phase::Line;
            return Some(0);
        }
        // A part of one of the texts, which are short.
        self.seen += u8::try_from(rest.len()).unwrap_or(u8::MAX - self.seen);
        Some(rest.len())
    }

    fn skip_line(&mut self, rest: &[u8]) -> usize {
        match rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
            Some(end) => {
                self.phase = if rest[end] == b'\r' {
                    Phase::LineFeed
                } else {
                    Phase::Lost
                };
                end + 1
            }
            None => rest.len(),
        }
    }

    fn read_number(&mut self, rest: &[u8]) -> usize {
        for (index, byte) in rest.iter().enumerate() {
            let next = match byte {
                b'0'..=b'9' if !(self.seen > 0 && self.count == 0) => self
                    .count
                    .checked_mul(10)
                    .and_then(|count| count.checked_add(u64::from(byte - b'0'))),
                b'-' if self.seen == 0 && matches!(self.mark, b'$' | b'*') => {
                    self.phase = Phase::Null;
                    return index + 1;
                }
                b'\r' if self.seen > 0 => {
                    self.phase = Phase::HeaderLineFeed;
                    return index + 1;
                }
                _ => None,
            };
            let Some(next) = next else {
                self.phase = Phase::Lost;
                return index + 1;
            };
            self.count = next;
            self.seen = 1;
        }
        rest.len()
    }

    fn read_null(&mut self, byte: u8) {
        self.phase = match (byte, self.seen) {
            (b'1', 0) => Phase::Null,
            (b'\r', 1) => Phase::LineFeed,
            _ => Phase::Lost,
        };
        self.seen = 1;
    }

    fn end_header(&mut self, byte: u8) {
        let elements = match self.mark {
            b'%' | b'|' => self.count.checked_mul(2),
            b'*' | b'~' | b'>' => Some(self.count),
            _ => None,
        };
        let is_body = matches!(self.mark, b'$' | b'=' | b'!');
        // An attribute precedes the value that it belongs to, and is none itself.
        let itself = u64::from(self.mark != b'|');
        let lacks = elements.and_then(|more| (self.lacks - itself).checked_add(more));
        self.phase = match (byte, lacks) {
            (b'\n', _) if is_body => Phase::Body,
            (b'\n', Some(lacks)) => {
                self.lacks = lacks;
                Phase::Value
            }
            _ => Phase::Lost,
        };
    }

    fn skip_body(&mut self, rest: &[u8]) -> usize {
        let length = usize::try_from(self.count).unwrap_or(usize::MAX);
        if let Some(end) = rest.get(length) {
            self.phase = if *end == b'\r' {
                Phase::LineFeed
            } else {
                Phase::Lost
            };
            length + 1
        } else {
            self.count -= rest.len() as u64;
            rest.len()
        }
    }

    fn end_value(&mut self, byte: u8) {
        if byte == b'\n' {
            self.lacks -= 1;
            self.phase = Phase::Value;
        } else {
            self.phase = Phase::Lost;
        }
    }
}

/// The length of a value that is whole in here, if it is one of the kinds that make up most replies: a
/// string of less than 100 bytes, a short line that is no error.
fn short_value(rest: &[u8]) -> Option<usize> {
    let end = match *rest {
        [b'$', a @ b'0'..=b'9', b'\r', b'\n', ..] => 4 + usize::from(a - b'0'),
        [b'$', a @ b'1'..=b'9', b @ b'0'..=b'9', b'\r', b'\n', ..] => {
            5 + usize::from(a - b'0') * 10 + usize::from(b - b'0')
        }
        [b'+' | b':', ..] => rest
            .iter()
            .take(SHORT)
            .position(|byte| matches!(byte, b'\r' | b'\n'))?,
        _ => return None,
    };
    (rest.get(end..end + 2)? == b"\r\n").then_some(end + 2)
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
