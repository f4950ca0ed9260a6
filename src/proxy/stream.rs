//! One kind of stream for both sides of a session: TCP or Unix. TLS will join it.

use std::future::poll_fn;
use std::io::{self, ErrorKind, Read};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};
use tokio::net::{TcpStream, UnixStream};

/// "Too many open files", of this process or of the system, and "no buffer space": not in
/// [`ErrorKind`], so by number, as Linux counts.
const EMFILE: i32 = 24;
const ENFILE: i32 = 23;
const ENOBUFS: i32 = 105;

/// A peer that vanished without a word is noticed after about two minutes. One that is merely slow
/// acknowledges probes and is never cut by this (R15).
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(60))
    .with_interval(Duration::from_secs(15))
    .with_retries(4);

/// A connection that belongs to the runtime of one worker.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A connection that belongs to no runtime now, so that it may change threads.
#[derive(Debug)]
pub(super) enum RawStream {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

/// Who is at the other end of a client connection.
#[derive(Clone, Copy, Debug)]
pub(super) enum Peer {
    Tcp(SocketAddr),
    Unix,
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

impl RawStream {
    /// Gives the connection to the runtime of the calling thread. It must be non-blocking.
    pub(super) fn register(self) -> io::Result<Stream> {
        Ok(match self {
            Self::Tcp(stream) => Stream::Tcp(TcpStream::from_std(stream)?),
            Self::Unix(stream) => Stream::Unix(UnixStream::from_std(stream)?),
        })
    }
}

impl Stream {
    /// Reads into `buffer`; 0 means that the other end has finished. After a short read the stream
    /// knows that the socket is drained and asks the kernel no second time.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        ready!(match self {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, &mut buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, &mut buffer),
        })?;
        Poll::Ready(Ok(buffer.filled().len()))
    }

    /// Reads what is there now; `WouldBlock` when that is nothing. It asks the kernel, not the runtime,
    /// which may not have heard of the bytes yet. Wakes nobody.
    pub(super) fn read_now(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let socket = match self {
            Self::Tcp(stream) => SockRef::from(stream),
            Self::Unix(stream) => SockRef::from(stream),
        };
        (&*socket).read(buffer)
    }

    /// Whether something lies in the socket that was not read. It asks the kernel, and takes nothing out.
    pub(super) fn has_unread(&self) -> bool {
        let socket = match self {
            Self::Tcp(stream) => SockRef::from(stream),
            Self::Unix(stream) => SockRef::from(stream),
        };
        socket
            .peek(&mut [MaybeUninit::uninit()])
            .is_ok_and(|count| count > 0)
    }

    /// Writes what the socket takes now; `WouldBlock` when that is nothing. Wakes nobody.
    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write(bytes),
            Self::Unix(stream) => stream.try_write(bytes),
        }
    }

    /// Writes some, or wakes the task when the socket takes more.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    /// Ends the writing side; the other side can still be read.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    /// Waits until the other end has finished or reset, without reading what it sent before that.
    ///
    /// Leaves the stream deaf to bytes that are there already: see [`Stream::registered_again`].
    pub(super) async fn left(&self) {
        loop {
            match self.ready().await {
                Ok(ready) if !ready.is_read_closed() => self.forget_readable(),
                _ => return,
            }
        }
    }

    /// Whether the other end has finished or reset, as far as the runtime has been told by now.
    pub(super) async fn has_left(&self) -> bool {
        let mut ready = pin!(self.ready());
        poll_fn(|cx| {
            Poll::Ready(match ready.as_mut().poll(cx) {
                Poll::Ready(Ok(ready)) => ready.is_read_closed(),
                Poll::Ready(Err(_)) => true,
                Poll::Pending => false,
            })
        })
        .await
    }

    /// The same connection, registered anew.
    ///
    /// epoll tells once, at the edge, that bytes have come, and [`Stream::left`] has thrown that news
    /// away to be woken at the next edge. A reader would wait for ever for bytes that lie in the
    /// socket already. Registering makes epoll report the state as it is now.
    pub(super) fn registered_again(self) -> io::Result<Self> {
        self.into_raw()?.register()
    }

    /// Takes the connection from the runtime, to give it to another thread.
    pub(super) fn into_raw(self) -> io::Result<RawStream> {
        Ok(match self {
            Self::Tcp(stream) => RawStream::Tcp(stream.into_std()?),
            Self::Unix(stream) => RawStream::Unix(stream.into_std()?),
        })
    }

    async fn ready(&self) -> io::Result<Ready> {
        match self {
            Self::Tcp(stream) => stream.ready(Interest::READABLE).await,
            Self::Unix(stream) => stream.ready(Interest::READABLE).await,
        }
    }

    /// An operation that "would block" is how a stream is told to wait for the next edge.
    fn forget_readable(&self) {
        let would_block = || Err::<(), _>(ErrorKind::WouldBlock.into());
        // The only possible outcome is the error that was put in.
        drop(match self {
            Self::Tcp(stream) => stream.try_io(Interest::READABLE, would_block),
            Self::Unix(stream) => stream.try_io(Interest::READABLE, would_block),
        });
    }
}

/// No delay for small messages, and keep-alive. Set on a listening socket, what it accepts inherits
/// both (Linux), which saves five system calls a connection.
pub(super) fn tune(socket: &SockRef<'_>) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&KEEPALIVE)
}

/// Whether this is our own shortage (descriptors, memory), not the other end's failure.
pub(super) fn is_exhaustion(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(EMFILE | ENFILE | ENOBUFS))
        || error.kind() == ErrorKind::OutOfMemory
}
