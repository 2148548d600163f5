//! The control channel: messages of JSON over a SOCK_SEQPACKET pair, with descriptors beside them.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::unix::AsyncFd;

use crate::listen::listen_unix_of;

/// One end of a channel. Messages keep their borders and their order; a message is at most 64 KiB and
/// carries at most 32 descriptors.
#[derive(Debug)]
pub struct Channel(AsyncFd<OwnedFd>);

impl Channel {
    /// A new channel: our end, and the other one to give away.
    pub fn pair() -> io::Result<(Channel, OwnedFd)> {
        let (ours, theirs) = Channel::descriptors()?;
        Ok((Channel::from_fd(ours)?, theirs))
    }

    /// A new channel with both ends to give away.
    pub fn descriptors() -> io::Result<(OwnedFd, OwnedFd)> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        Ok(rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?)
    }

    /// A channel to the [`Door`] at `path`.
    pub fn knock(path: &Path) -> io::Result<Channel> {
        let (kind, flags) = (SocketType::SEQPACKET, SocketFlags::CLOEXEC);
        let socket = rustix::net::socket_with(AddressFamily::UNIX, kind, flags, None)?;
        rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
        Channel::from_fd(socket)
    }

    /// The channel a child was started with as file descriptor 0, which is replaced by `/dev/null`.
    pub fn inherited() -> io::Result<Channel> {
        let fd = rustix::stdio::stdin().try_clone_to_owned()?;
        rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?)?;
        Channel::from_fd(fd)
    }

    /// A channel over a connected SOCK_SEQPACKET socket. Needs a tokio runtime.
    pub fn from_fd(fd: OwnedFd) -> io::Result<Channel> {
        rustix::io::ioctl_fionbio(&fd, true)?;
        // SAFETY: the AsyncFd owns the descriptor and is never taken apart, so the descriptor stays
        // open, and the same, for as long as it is registered.
        Ok(Channel(unsafe { AsyncFd::register(fd)? }))
    }

    /// Sends a message and copies of descriptors; waits while the other side is behind.
    pub async fn send<T: Serialize>(&self, message: &T, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let packet = encode(message, fds.len())?;
        loop {
            let mut ready = self.0.writable().await?;
            if let Ok(sent) = ready.try_io(|inner| send(inner.as_fd(), &packet, fds)) {
                return sent;
            }
        }
    }

    /// Sends a message without waiting; an error of kind `WouldBlock` when the other side is behind.
    pub fn try_send<T: Serialize>(&self, message: &T, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        send(self.0.get_ref().as_fd(), &encode(message, fds.len())?, fds)
    }

    /// The next message and its descriptors; None when the other side has gone. Cancelling the wait
    /// loses nothing.
    pub async fn receive<T: DeserializeOwned>(&self) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
        loop {
            let mut ready = self.0.readable().await?;
            let Ok(received) = ready.try_io(|inner| receive(inner.as_fd())) else { continue };
            let (packet, fds) = match received {
                Ok(received) => received,
                // The other side ended with a message of ours unread; its own last ones follow.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => continue,
                Err(error) => return Err(error),
            };
            if packet.is_empty() {
                return Ok(None);
            }
            return Ok(Some((serde_json::from_slice(&packet)?, fds)));
        }
    }
}

/// A socket that channels are made at: davy's own commands talk to the keeper through one.
#[derive(Debug)]
pub struct Door(AsyncFd<OwnedFd>);

impl Door {
    /// Listens at `path`, for processes of the same user and of root.
    pub fn open(path: &Path) -> io::Result<Door> {
        let fd = listen_unix_of(path, SocketType::SEQPACKET)?;
        rustix::io::ioctl_fionbio(&fd, true)?;
        // SAFETY: as in `Channel::from_fd`.
        Ok(Door(unsafe { AsyncFd::register(fd)? }))
    }

    /// The next channel. Callers of other users are turned away.
    pub async fn accept(&self) -> io::Result<Channel> {
        loop {
            let mut ready = self.0.readable().await?;
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let accepted = ready.try_io(|fd| Ok(rustix::net::accept_with(fd, flags)?));
            let Ok(accepted) = accepted else { continue };
            let socket = accepted?;
            let uid = rustix::net::sockopt::socket_peercred(&socket)?.uid;
            if uid.is_root() || uid == rustix::process::geteuid() {
                return Channel::from_fd(socket);
            }
        }
    }
}

fn encode<T: Serialize>(message: &T, fds: usize) -> io::Result<Vec<u8>> {
    let packet = serde_json::to_vec(message)?;
    if packet.len() > PACKET_BYTES_MAX || fds > FDS_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "control message too large"));
    }
    Ok(packet)
}

fn send(socket: BorrowedFd<'_>, packet: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_MAX))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "too many descriptors"));
    }
    let slices = [IoSlice::new(packet)];
    // NOSIGNAL: a reader that has gone is an error to handle, not a signal to die of.
    rustix::net::sendmsg(socket, &slices, &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

fn receive(socket: BorrowedFd<'_>) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let mut packet = vec![0; PACKET_BYTES_MAX];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_MAX))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut slices = [IoSliceMut::new(&mut packet)];
    let got = rustix::net::recvmsg(socket, &mut slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    let fds = ancillary
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(fds) => Some(fds),
            _ => None,
        })
        .flatten()
        .collect();
    if got.flags.contains(ReturnFlags::TRUNC) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "control message too large"));
    }
    packet.truncate(got.bytes);
    Ok((packet, fds))
}

const PACKET_BYTES_MAX: usize = 64 * 1024;
const FDS_MAX: usize = 32;

#[cfg(test)]
mod tests;
