//! The body of an answer: a text that is there, or lines that come.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::seat::Engaged;

/// What an answer carries.
pub(super) enum Body {
    /// All of it; none once it was taken.
    Whole(Option<Bytes>),
    /// Lines until their sender ends.
    Stream {
        /// Where they come from.
        lines: mpsc::Receiver<Bytes>,
        /// The connection is at work as long.
        #[expect(dead_code, reason = "held, not read")]
        engaged: Engaged,
        /// One of the few that may follow.
        #[expect(dead_code, reason = "held, not read")]
        permit: OwnedSemaphorePermit,
    },
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(text: T) -> Self {
        Self::Whole(Some(text.into()).filter(|text: &Bytes| !text.is_empty()))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::Stream { lines, .. } => {
                let next = lines.poll_recv(context);
                next.map(|lines| lines.map(|lines| Ok(Frame::data(lines))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(text) => SizeHint::with_exact(text.as_ref().map_or(0, Bytes::len) as u64),
            Self::Stream { .. } => SizeHint::default(),
        }
    }
}
