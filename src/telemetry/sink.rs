//! Where the writing thread writes: lines of a busy moment together, in one system call.
//!
//! The end of every session is a line. Written one by one, a thousand sessions a second cost a thousand
//! writes and as many wake-ups of the writing thread.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// How long lines are gathered after a write. The first line after a quiet moment is written at once; a
/// process that is killed loses what came in this time, and what waited in the queue.
const GATHERED: Duration = Duration::from_millis(10);

/// Written when that much has come, however early.
const ENOUGH: usize = 64 * 1024;

/// The output of the writing thread. An error is lost lines and no more.
pub(super) struct Sink<W> {
    output: W,
    /// Whole lines.
    batch: Vec<u8>,
    /// The output took only a part of the last line: the next begins on a line of its own.
    torn: bool,
    not_written: Arc<AtomicU64>,
}

impl<W: Write> Sink<W> {
    /// Counts in `not_written` the lines that `output` did not take.
    pub(super) fn new(output: W, not_written: Arc<AtomicU64>) -> Self {
        Self {
            output,
            batch: Vec::new(),
            torn: false,
            not_written,
        }
    }

    fn write_batch(&mut self) {
        if self.torn {
            self.batch.insert(0, b'\n');
        }
        let mut rest = &self.batch[..];
        while !rest.is_empty() {
            match self.output.write(rest) {
                Ok(taken) if taken > 0 => rest = &rest[taken..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => break,
            }
        }
        let taken = self.batch.len() - rest.len();
        // The end of a torn line is no line.
        let ends = rest.split(|byte| *byte == b'\n').count() - 1;
        let lost = ends - usize::from(self.torn && taken == 0);
        self.not_written.fetch_add(lost as u64, Ordering::Relaxed);
        if let Some(last) = self.batch[..taken].last() {
            self.torn = *last != b'\n';
        }
        self.batch.clear();
    }
}

impl<W: Write> Write for Sink<W> {
    /// Takes one line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.batch.extend_from_slice(line);
        if self.batch.len() >= ENOUGH {
            self.write_batch();
        }
        Ok(line.len())
    }

    /// Called when no more lines wait.
    fn flush(&mut self) -> io::Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.write_batch();
        // A failure would be printed to standard error at the end, and the lost lines are counted.
        let _counted = self.output.flush();
        thread::sleep(GATHERED);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes, in small pieces, and notes how often it was asked.
    struct Output {
        room: usize,
        taken: Vec<u8>,
        calls: usize,
    }

    impl Write for &mut Output {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.calls += 1;
            let length = bytes.len().min(self.room).min(100);
            self.room -= length;
            self.taken.extend_from_slice(&bytes[..length]);
            Ok(length)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(room: usize, lines: usize) -> (Output, u64) {
        let mut output = Output {
            room,
            taken: Vec::new(),
            calls: 0,
        };
        let lost = Arc::new(AtomicU64::new(0));
        let mut sink = Sink::new(&mut output, Arc::clone(&lost));
        for _ in 0..lines {
            sink.write_all(b"a line\n").unwrap();
        }
        sink.flush().unwrap();
        (output, lost.load(Ordering::Relaxed))
    }

    #[test]
    fn lines_go_out_together() {
        let (output, lost) = written(usize::MAX, 14);
        assert_eq!((output.taken.len(), output.calls, lost), (98, 1, 0));
        let (output, lost) = written(usize::MAX, 20_000);
        assert_eq!((output.taken.len(), lost), (140_000, 0));
        assert_eq!(output.taken, b"a line\n".repeat(20_000));
    }

    #[test]
    fn a_line_after_a_torn_one_is_whole() {
        let mut output = Output {
            room: 10,
            taken: Vec::new(),
            calls: 0,
        };
        let lost = Arc::new(AtomicU64::new(0));
        let mut sink = Sink::new(&mut output, Arc::clone(&lost));
        sink.write_all(b"a line\nanother\n").unwrap();
        sink.flush().unwrap();
        sink.output.room = 100;
        sink.write_all(b"the third\n").unwrap();
        sink.flush().unwrap();
        sink.write_all(b"the fourth\n").unwrap();
        sink.flush().unwrap();
        let text = String::from_utf8(output.taken).unwrap();
        assert_eq!(text, "a line\nano\nthe third\nthe fourth\n");
        assert_eq!(lost.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn lines_that_are_not_taken_whole_are_lost() {
        assert_eq!(written(0, 3).1, 3);
        let (output, lost) = written(10, 3);
        assert_eq!((output.taken.len(), lost), (10, 2));
    }
}
