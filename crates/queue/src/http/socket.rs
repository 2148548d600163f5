//! A connection to an upstream: TCP or a UNIX socket, read and written at once.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::BytesMut;
use flow::control::Address;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream, tcp, unix};

/// A connection.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    /// Connects, within a moment.
    pub(crate) async fn connect(address: &Address) -> io::Result<Socket> {
        let connecting = async {
            match address {
                Address::Unix(path) => UnixStream::connect(path).await.map(Socket::Unix),
                Address::Tcp(host, port) => {
                    let stream = TcpStream::connect((host.as_str(), *port)).await?;
                    stream.set_nodelay(true)?;
                    Ok(Socket::Tcp(stream))
                }
            }
        };
        tokio::time::timeout(CONNECT_TIMEOUT, connecting).await.map_err(io::Error::from)?
    }

    /// Whether nothing came, not even the end: what an idle connection says is no answer.
    pub(crate) fn is_quiet(&self) -> bool {
        let context = &mut Context::from_waker(Waker::noop());
        match self {
            Socket::Tcp(stream) => stream.poll_read_ready(context),
            Socket::Unix(stream) => stream.poll_read_ready(context),
        }
        .is_pending()
    }

    /// Both directions, for use at the same time.
    pub(super) fn split(&mut self) -> (Reading<'_>, Writing<'_>) {
        match self {
            Socket::Tcp(stream) => {
                let (reading, writing) = stream.split();
                (Reading::Tcp(reading), Writing::Tcp(writing))
            }
            Socket::Unix(stream) => {
                let (reading, writing) = stream.split();
                (Reading::Unix(reading), Writing::Unix(writing))
            }
        }
    }
}

impl Reading<'_> {
    /// Reads what is there; 0 at the end. Memory is taken only when something is: most connections
    /// are silent most of the time.
    pub(super) async fn fill(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        if buffer.is_empty() {
            *buffer = BytesMut::new();
        }
        std::future::poll_fn(|context| match self {
            Reading::Tcp(half) => half.as_ref().poll_read_ready(context),
            Reading::Unix(half) => half.as_ref().poll_read_ready(context),
        })
        .await?;
        buffer.reserve(READ_BYTES);
        self.read_buf(buffer).await
    }
}

/// What the upstream says.
#[derive(Debug)]
pub(super) enum Reading<'a> {
    Tcp(tcp::ReadHalf<'a>),
    Unix(unix::ReadHalf<'a>),
}

/// What it is told.
#[derive(Debug)]
pub(super) enum Writing<'a> {
    Tcp(tcp::WriteHalf<'a>),
    Unix(unix::WriteHalf<'a>),
}

impl AsyncRead for Reading<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Reading::Tcp(half) => Pin::new(half).poll_read(context, buffer),
            Reading::Unix(half) => Pin::new(half).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Writing<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Writing::Tcp(half) => Pin::new(half).poll_write(context, bytes),
            Writing::Unix(half) => Pin::new(half).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Writing::Tcp(half) => Pin::new(half).poll_write_vectored(context, pieces),
            Writing::Unix(half) => Pin::new(half).poll_write_vectored(context, pieces),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Writing::Tcp(half) => Pin::new(half).poll_shutdown(context),
            Writing::Unix(half) => Pin::new(half).poll_shutdown(context),
        }
    }
}

/// How much is read at a time.
const READ_BYTES: usize = 16 * 1024;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
