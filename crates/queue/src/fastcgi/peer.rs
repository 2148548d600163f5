//! Which process is at the other end. SO_PEERCRED names the one that called listen(2), php-fpm's
//! master; the child that answers is named by the credentials that the kernel adds to what it sends,
//! once they were asked for (SO_PASSCRED, unix(7)).

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;

use bytes::BytesMut;
use rustix::net::sockopt::set_socket_passcred;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use tokio::io::Interest;
use tokio::net::UnixStream;

/// Has the kernel name who sends.
pub(super) fn ask_for_pid(socket: &UnixStream) -> io::Result<()> {
    Ok(set_socket_passcred(socket, true)?)
}

/// Reads what is there, if anything, and who sent it. The kernel is then asked no more: the child
/// stays the same for the connection's life.
pub(super) fn read(
    socket: &UnixStream,
    into: &mut BytesMut,
    pid: &mut u32,
) -> Option<io::Result<usize>> {
    match socket.try_io(Interest::READABLE, || receive(socket, into, pid)) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
        read => Some(read),
    }
}

fn receive(socket: &UnixStream, into: &mut BytesMut, pid: &mut u32) -> io::Result<usize> {
    let mut bytes = [0; GREETING_BYTES];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut slices = [IoSliceMut::new(&mut bytes)];
    let received = recvmsg(socket, &mut slices, &mut ancillary, RecvFlags::empty())?;
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmCredentials(sender) = message {
            *pid = sender.pid.as_raw_nonzero().get().unsigned_abs();
            set_socket_passcred(socket, false)?;
        }
    }
    into.extend_from_slice(&bytes[..received.bytes]);
    Ok(received.bytes)
}

const GREETING_BYTES: usize = 1024;
