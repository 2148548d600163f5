//! The two halves of a connection, and what a TCP socket can do that other streams can't.
//!
//! TCP waits for readiness without holding a buffer, sends files with sendfile(2), and can be
//! reset. Any other stream (TLS later, an in-memory pair in tests) does the same by ordinary means.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, Interest, ReadHalf, WriteHalf};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// Where requests come from.
pub trait Source: AsyncRead + Unpin + Send {
    /// Ready when there may be something to read, so that no buffer is held meanwhile. A source
    /// that can't tell is ready at once.
    fn poll_readable(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// Where responses go.
pub trait Sink: AsyncWrite + Unpin + Send {
    /// Sends bytes of `file` from `offset` on, at most `count`, and says how many; 0 at the end of
    /// the file. Cancelling the wait sends nothing.
    fn send_file(
        &mut self,
        file: &OwnedFd,
        offset: u64,
        count: usize,
    ) -> impl Future<Output = io::Result<usize>> + Send;

    /// Ends the connection in a way that the client can't take for the end of the content.
    fn reset(self);
}

impl Source for OwnedReadHalf {
    fn poll_readable(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.as_ref().poll_read_ready(context)
    }
}

impl Sink for OwnedWriteHalf {
    async fn send_file(&mut self, file: &OwnedFd, offset: u64, count: usize) -> io::Result<usize> {
        let stream = self.as_ref();
        loop {
            stream.writable().await?;
            let mut offset = offset;
            let sent = stream.try_io(Interest::WRITABLE, || {
                Ok(rustix::fs::sendfile(stream.as_fd(), file, Some(&mut offset), count)?)
            });
            match sent {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => return sent,
            }
        }
    }

    fn reset(self) {
        // A socket that can't be told is closed all the same.
        let _ = self.as_ref().set_zero_linger();
        // Dropped, this half would first end the stream in good order.
        self.forget();
    }
}

impl<T: AsyncRead + Send> Source for ReadHalf<T> {
    fn poll_readable(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Send> Sink for WriteHalf<T> {
    async fn send_file(&mut self, file: &OwnedFd, offset: u64, count: usize) -> io::Result<usize> {
        let mut piece = vec![0; count.min(COPY_BYTES)];
        let read = rustix::io::pread(file, &mut piece[..], offset)?;
        self.write(&piece[..read]).await
    }

    fn reset(self) {}
}

/// How much of a file is copied at a time where sendfile does not apply.
const COPY_BYTES: usize = 64 * 1024;
