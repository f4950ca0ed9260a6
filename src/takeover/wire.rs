//! Lines and descriptors over a Unix stream.
//!
//! Descriptors travel with a line break of their own, an empty line, which says nothing. The kernel may
//! hand bytes and descriptors out together, in their order; so both are kept until they are asked for.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::UnixStream;

/// Descriptors in one message; the kernel allows 253.
const TOGETHER: usize = 64;

/// Nothing that we say is longer.
const LONGEST: usize = 256 * 1024;

/// One end of the conversation.
#[derive(Debug)]
pub(super) struct Wire {
    stream: UnixStream,
    bytes: Vec<u8>,
    descriptors: VecDeque<OwnedFd>,
}

impl Wire {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            bytes: Vec::new(),
            descriptors: VecDeque::new(),
        }
    }

    pub(super) async fn send(&mut self, message: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        self.stream.write_all(&line).await
    }

    /// The next line. `UnexpectedEof`: the other end has gone.
    pub(super) async fn receive<T: DeserializeOwned>(&mut self) -> io::Result<T> {
        loop {
            if let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.bytes.drain(..=end).collect();
                if end > 0 {
                    return Ok(serde_json::from_slice(&line)?);
                }
            } else {
                self.fill().await?;
            }
        }
    }

    pub(super) async fn send_descriptors(&self, all: &[OwnedFd]) -> io::Result<()> {
        for some in all.chunks(TOGETHER) {
            let some: Vec<_> = some.iter().map(AsFd::as_fd).collect();
            self.stream
                .async_io(Interest::WRITABLE, || {
                    let mut space =
                        [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(TOGETHER))];
                    let mut control = SendAncillaryBuffer::new(&mut space);
                    if !control.push(SendAncillaryMessage::ScmRights(&some)) {
                        return Err(ErrorKind::InvalidInput.into());
                    }
                    let bytes = [IoSlice::new(b"\n")];
                    Ok(sendmsg(
                        &self.stream,
                        &bytes,
                        &mut control,
                        SendFlags::NOSIGNAL,
                    )?)
                })
                .await?;
        }
        Ok(())
    }

    /// The next so many descriptors, closed on exec.
    pub(super) async fn receive_descriptors(&mut self, count: usize) -> io::Result<Vec<OwnedFd>> {
        while self.descriptors.len() < count {
            self.fill().await?;
        }
        Ok(self.descriptors.drain(..count).collect())
    }

    async fn fill(&mut self) -> io::Result<()> {
        if self.bytes.len() > LONGEST {
            return Err(io::Error::other("it talks too much"));
        }
        let mut chunk = [0; 4096];
        let (stream, descriptors) = (&self.stream, &mut self.descriptors);
        let length = stream
            .async_io(Interest::READABLE, || {
                let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(TOGETHER))];
                let mut control = RecvAncillaryBuffer::new(&mut space);
                let mut bytes = [IoSliceMut::new(&mut chunk)];
                let got = recvmsg(stream, &mut bytes, &mut control, RecvFlags::CMSG_CLOEXEC)?;
                for message in control.drain() {
                    if let RecvAncillaryMessage::ScmRights(some) = message {
                        descriptors.extend(some);
                    }
                }
                Ok(got.bytes)
            })
            .await?;
        if length == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.bytes.extend_from_slice(&chunk[..length]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[tokio::test]
    async fn lines_and_many_descriptors_arrive_in_order() {
        let (one, other) = UnixStream::pair().unwrap();
        let (mut sender, mut receiver) = (Wire::new(one), Wire::new(other));
        let (pipes, ends): (Vec<_>, Vec<OwnedFd>) = (0..150)
            .map(|_| io::pipe().unwrap())
            .map(|(reader, writer)| (reader, OwnedFd::from(writer)))
            .unzip();
        let sending = async {
            sender.send(&"before").await.unwrap();
            sender.send_descriptors(&ends).await.unwrap();
            sender.send(&"after").await.unwrap();
        };
        let receiving = async {
            let before: String = receiver.receive().await.unwrap();
            let got = receiver.receive_descriptors(150).await.unwrap();
            let after: String = receiver.receive().await.unwrap();
            (before, got, after)
        };
        let ((), (before, got, after)) = tokio::join!(sending, receiving);
        assert_eq!((&*before, &*after), ("before", "after"));
        drop(ends);
        for (number, (mut reader, end)) in pipes.into_iter().zip(got).enumerate() {
            let mut writer = std::fs::File::from(end);
            writer.write_all(number.to_string().as_bytes()).unwrap();
            drop(writer);
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            assert_eq!(text, number.to_string());
        }
    }

    #[tokio::test]
    async fn an_end_and_nonsense_are_errors() {
        let (one, other) = UnixStream::pair().unwrap();
        let (mut sender, mut receiver) = (Wire::new(one), Wire::new(other));
        sender.send(&1).await.unwrap();
        assert!(receiver.receive::<String>().await.is_err());
        drop(sender);
        let error = receiver.receive::<String>().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    }
}
