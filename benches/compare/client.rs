//! The little of the protocol that a bench needs beside redis-benchmark.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use crate::Result;

/// The longest that anything here waits for one answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A connection that asks one thing at a time.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Result<Self> {
        Self::over(TcpStream::connect(address)?)
    }

    /// From an address of choice, because one alone has too few ports for very many connections.
    pub(crate) fn connect_from(source: IpAddr, address: SocketAddr) -> Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        socket.bind(&SocketAddr::new(source, 0).into())?;
        socket.connect_timeout(&address.into(), PATIENCE)?;
        Self::over(socket.into())
    }

    fn over(stream: TcpStream) -> Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        // Small, because thousands are held at once.
        let stream = BufReader::with_capacity(512, stream);
        Ok(Self { stream })
    }

    /// Sends a command and returns the first line of the answer, which must be no error.
    pub(crate) fn ask(&mut self, words: &[&[u8]]) -> Result<String> {
        self.send(words)?;
        self.line()
    }

    pub(crate) fn send(&mut self, words: &[&[u8]]) -> Result<()> {
        Ok(self.stream.get_mut().write_all(&encode(words))?)
    }

    pub(crate) fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err("the connection was closed".into());
        }
        if line.starts_with('-') {
            return Err(line.trim_end().into());
        }
        Ok(line.trim_end().to_owned())
    }

    /// The rest of the answer and whatever follows, as bytes.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.stream.read(buffer)
    }

    /// Sends a command whose answer is one text of some length.
    pub(crate) fn text(&mut self, words: &[&[u8]]) -> Result<String> {
        let head = self.ask(words)?;
        let length: usize = head.trim_start_matches('$').parse()?;
        let mut bytes = vec![0; length + 2];
        self.stream.read_exact(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    pub(crate) fn ping(&mut self) -> Result<()> {
        match self.ask(&[b"PING"])?.as_str() {
            "+PONG" => Ok(()),
            other => Err(format!("PING was answered {other}").into()),
        }
    }
}

/// A command as it goes over the wire.
pub(crate) fn encode(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// Waits until something answers PING there.
pub(crate) fn wait_for(address: SocketAddr) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match Client::connect(address).and_then(|mut client| client.ping()) {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    }
}
