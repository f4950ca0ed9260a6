//! The relay: bytes from one stream to the other, both ways, until both ends have finished.
//!
//! It owns the mechanics (half-close, back pressure, fairness) and knows nothing of nodes, snapshots
//! or metrics: a [`Gate`] is asked before anything passes. It keeps no buffer of its own: each chunk is
//! read into the one buffer of the worker thread and written at once, and only what the other side did
//! not take is kept until it does.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::ErrorKind;
use std::task::{Context, Poll, ready};

use super::stream::Stream;
use super::table::Parting;
use crate::core::answers::Answers;
use crate::core::reason::CloseReason;

/// The buffer of a worker thread. Borrowed inside one poll only, so one is enough for all sessions.
pub(super) type SharedBuffer = RefCell<Box<[u8]>>;

/// Bytes read at a time, at most.
pub(super) const BUFFER_SIZE: usize = 64 * 1024;

/// Chunks that one direction may move before other sessions get their turn.
const CHUNKS_PER_TURN: usize = 8;

/// What the owner of a session allows and wants to know.
pub(super) trait Gate {
    /// The buffer of the worker thread.
    fn buffer(&self) -> &SharedBuffer;
    /// How the session ends, if it may not go on. Cheap: asked all the time.
    fn verdict(&self) -> Option<Parting>;
    /// The client sent this, and it goes to the node now.
    fn sent(&self, chunk: &[u8]);
    /// The node sent this. Returns how many bytes of it may go to the client; if not all, the node has
    /// refused a command, and nothing passes any more.
    fn received(&self, chunk: &[u8]) -> usize;
    /// The node finished or reset while the client had not finished.
    fn abandoned(&self);
    /// R20: whether the node owes an answer, for all that is known.
    fn awaits(&self) -> bool;
    /// R20: the session waits for its last answers. It is woken when its time is up.
    fn linger(&self);
    /// R20: whether the client has taken all answers that were read so far.
    fn keeps_up(&self, all_taken: bool);
    /// R20: the time for answers is up.
    fn is_late(&self) -> bool;
}

/// How two streams parted.
pub(super) struct Parted {
    pub(super) reason: CloseReason,
    /// The client is to read what it was sent, and this: see [`super::reject::see_off`].
    pub(super) gently: bool,
    pub(super) rest: Option<Box<Rest>>,
}

impl From<CloseReason> for Parted {
    fn from(reason: CloseReason) -> Self {
        Self {
            reason,
            gently: false,
            rest: None,
        }
    }
}

/// Joins two streams and returns how they parted. Neither is closed: dropping them does that.
/// `initial` was read from the client before, and goes to the node first.
///
/// Not an async function: that would keep room for `initial` as long as the session lasts.
pub(super) fn relay<'a, G: Gate + 'a>(
    gate: G,
    client: &'a mut Stream,
    node: &'a mut Stream,
    initial: Option<Box<Rest>>,
) -> impl Future<Output = Parted> + 'a {
    let mut relay = Relay::default();
    // A session that is doomed already is told so by the first poll, before anything is written.
    if let Some(initial) = initial
        && gate.verdict().is_none()
    {
        gate.sent(&initial.bytes);
        relay.up.rest = Some(initial);
    }
    poll_fn(move |cx| relay.poll(cx, &gate, &mut gate.buffer().borrow_mut(), client, node))
}

#[derive(Default)]
struct Relay {
    up: Flow,
    down: Flow,
    /// One side takes no more bytes; what it sent before is still delivered.
    broken: Option<CloseReason>,
    /// R20: the node has refused a command. Nothing is read any more; the fence is waited for.
    refused: bool,
    /// R20: it ends, but not at once.
    lingers: bool,
    /// R20: something was delivered after the fence.
    delivered: bool,
}

/// One direction.
#[derive(Default)]
struct Flow {
    /// While there is any, nothing is read. On the heap, because a session at rest has none.
    rest: Option<Box<Rest>>,
    stage: Stage,
}

/// What was read, but not taken by the other side yet.
pub(super) struct Rest {
    bytes: Vec<u8>,
    taken: usize,
}

impl Rest {
    /// All of it, if there is any.
    pub(super) fn new(bytes: Vec<u8>) -> Option<Box<Self>> {
        (!bytes.is_empty()).then(|| Box::new(Self { bytes, taken: 0 }))
    }

    /// What is not taken yet.
    pub(super) fn left(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Open,
    /// The source has finished; the rest is to be written, and the end to be told.
    Ending,
    Done,
}

/// Why a direction stopped before its source had finished.
enum Cut {
    SourceBroke,
    SinkBroke,
    Forbidden(Parting),
    /// Not all of what the source sent may pass.
    Refused,
}

impl Relay {
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        gate: &impl Gate,
        buffer: &mut [u8],
        client: &mut Stream,
        node: &mut Stream,
    ) -> Poll<Parted> {
        // R7: the verdict comes before a byte moves, and again between reading from the client and
        // writing to the node. A client's bytes that were read after a snapshot had taken the node
        // from it are dropped here, whenever the session happens to be polled.
        if let Some(parting) = gate.verdict() {
            return self.part(cx, gate, buffer, client, node, parting);
        }
        if self.refused {
            return self.wait_for_fence(cx, client);
        }
        let last = self.down.stage == Stage::Done;
        let up = self.up.pump(cx, client, node, buffer, last, |chunk| {
            gate.verdict().map_or(Ok(()), Err)?;
            gate.sent(chunk);
            Ok(chunk.len())
        });
        if let Poll::Ready(Err(cut)) = up {
            match cut {
                Cut::SourceBroke => return Poll::Ready(CloseReason::ClientReset.into()),
                Cut::SinkBroke => self.broken = Some(CloseReason::NodeReset),
                Cut::Forbidden(parting) => {
                    return self.part(cx, gate, buffer, client, node, parting);
                }
                Cut::Refused => {}
            }
        }
        let was_open = self.down.stage == Stage::Open;
        let last = self.up.stage == Stage::Done;
        let down = self.down.pump(cx, node, client, buffer, last, |chunk| {
            Ok(gate.received(chunk))
        });
        if was_open && self.down.source_ended(&down) && self.up.stage == Stage::Open {
            gate.abandoned();
        }
        if let Poll::Ready(Err(cut)) = down {
            match cut {
                Cut::SourceBroke => return Poll::Ready(CloseReason::NodeReset.into()),
                Cut::SinkBroke => self.broken = Some(CloseReason::ClientReset),
                Cut::Forbidden(_) => {}
                Cut::Refused => {
                    self.refused = true;
                    gate.linger();
                    return self.wait_for_fence(cx, client);
                }
            }
        }
        if self.up.stage == Stage::Done && self.down.stage == Stage::Done {
            return Poll::Ready(self.broken.unwrap_or(CloseReason::Finished).into());
        }
        Poll::Pending
    }

    /// R20: the client of a refused command is not told so but loses its connection, once there is
    /// another primary to connect to. What stood before the refusal is delivered.
    fn wait_for_fence(&mut self, cx: &mut Context<'_>, client: &mut Stream) -> Poll<Parted> {
        match self.down.flush(cx, client) {
            Poll::Ready(Err(_)) => Poll::Ready(CloseReason::ClientReset.into()),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
        }
    }

    /// R20: the session is fenced: nothing goes to the node any more. What it had answered is delivered if
    /// that is certain.
    fn part(
        &mut self,
        cx: &mut Context<'_>,
        gate: &impl Gate,
        buffer: &mut [u8],
        client: &mut Stream,
        node: &mut Stream,
        parting: Parting,
    ) -> Poll<Parted> {
        let mut over = false;
        match parting.answers {
            Answers::Drop => return Poll::Ready(parting.reason.into()),
            Answers::Deliver if self.refused => over = true,
            Answers::Deliver => {
                let delivered = &Cell::new(self.delivered);
                let down = self.down.pump(cx, node, client, buffer, true, |chunk| {
                    delivered.set(true);
                    Ok(gate.received(chunk))
                });
                self.delivered = delivered.get();
                over = down.is_ready() || gate.is_late();
            }
            Answers::Undecided => {}
        }
        let all_taken = self.down.rest.is_none();
        gate.keeps_up(all_taken);
        let none_to_come = || self.refused || (!gate.awaits() && !node.has_unread());
        if over || (all_taken && none_to_come()) {
            return Poll::Ready(Parted {
                reason: parting.reason,
                gently: self.refused || self.delivered || !all_taken || client.has_unread(),
                rest: self.down.rest.take(),
            });
        }
        if !std::mem::replace(&mut self.lingers, true) {
            gate.linger();
        }
        Poll::Pending
    }
}

impl Flow {
    /// Moves what can be moved now. Ready when this direction is over. The `last` of the two to end need
    /// not tell its sink: both streams are dropped next, and that tells it.
    fn pump(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut Stream,
        sink: &mut Stream,
        buffer: &mut [u8],
        last: bool,
        pass: impl Fn(&[u8]) -> Result<usize, Parting>,
    ) -> Poll<Result<(), Cut>> {
        for _ in 0..CHUNKS_PER_TURN {
            ready!(self.flush(cx, sink))?;
            match self.stage {
                Stage::Open => {}
                Stage::Ending => {
                    if !last {
                        // A sink that is gone already has been told.
                        let _gone = ready!(sink.poll_shutdown(cx));
                    }
                    self.stage = Stage::Done;
                    return Poll::Ready(Ok(()));
                }
                Stage::Done => return Poll::Ready(Ok(())),
            }
            match ready!(source.poll_read(cx, buffer)) {
                Err(_) => return Poll::Ready(Err(Cut::SourceBroke)),
                Ok(0) => self.stage = Stage::Ending,
                Ok(length) => {
                    let chunk = &buffer[..length];
                    let passes = pass(chunk).map_err(Cut::Forbidden)?;
                    self.forward(&chunk[..passes], sink)?;
                    if passes < length {
                        return Poll::Ready(Err(Cut::Refused));
                    }
                }
            }
        }
        // A busy session queues up behind the others.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Writes what the sink takes at once, and keeps the rest.
    fn forward(&mut self, chunk: &[u8], sink: &Stream) -> Result<(), Cut> {
        let taken = match sink.try_write(chunk) {
            Ok(taken) => taken,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(_) => return Err(self.sink_broke()),
        };
        if taken < chunk.len() {
            self.rest = Rest::new(chunk[taken..].to_vec());
        }
        Ok(())
    }

    /// Writes the rest, and gives its memory back as soon as all of it is taken.
    fn flush(&mut self, cx: &mut Context<'_>, sink: &mut Stream) -> Poll<Result<(), Cut>> {
        while let Some(rest) = &mut self.rest {
            match ready!(sink.poll_write(cx, &rest.bytes[rest.taken..])) {
                Ok(taken) if taken > 0 => rest.taken += taken,
                _ => return Poll::Ready(Err(self.sink_broke())),
            }
            if rest.taken == rest.bytes.len() {
                self.rest = None;
            }
        }
        Poll::Ready(Ok(()))
    }

    fn sink_broke(&mut self) -> Cut {
        self.rest = None;
        self.stage = Stage::Done;
        Cut::SinkBroke
    }

    fn source_ended(&self, outcome: &Poll<Result<(), Cut>>) -> bool {
        matches!(outcome, Poll::Ready(Err(Cut::SourceBroke)))
            || (self.stage != Stage::Open && !matches!(outcome, Poll::Ready(Err(Cut::SinkBroke))))
    }
}
