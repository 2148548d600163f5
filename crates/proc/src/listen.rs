//! Listening sockets, and who is at the other end of a UNIX socket.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

/// How firmly an address is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// This port or none.
    Exactly,
    /// This port, or the next free one of the twenty behind it.
    OrNext,
}

/// A bound socket, with the address it got.
#[derive(Debug)]
pub struct Bound<T> {
    /// The socket.
    pub socket: T,
    /// The address it is bound to.
    pub address: SocketAddr,
}

/// Binds and listens on a TCP address.
pub fn bind_tcp(address: SocketAddr, wish: Wish) -> io::Result<Bound<TcpListener>> {
    first_free(address, wish, |address| {
        let socket = TcpListener::bind(address)?;
        Ok(Bound { address: socket.local_addr()?, socket })
    })
}

/// Binds UDP and TCP to the same address and port, as a name server needs them.
pub fn bind_udp(
    address: SocketAddr,
    wish: Wish,
) -> io::Result<(Bound<UdpSocket>, Bound<TcpListener>)> {
    first_free(address, wish, |address| {
        let udp = UdpSocket::bind(address)?;
        let address = udp.local_addr()?;
        let tcp = TcpListener::bind(address)?;
        Ok((Bound { socket: udp, address }, Bound { socket: tcp, address }))
    })
}

/// Tries the address, and the ports behind it if that is wished for. Only a taken port is passed over.
fn first_free<T>(
    mut address: SocketAddr,
    wish: Wish,
    bind: impl Fn(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let last = match wish {
        Wish::Exactly => address.port(),
        Wish::OrNext => address.port().saturating_add(PORTS_TRIED),
    };
    loop {
        match bind(address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && address.port() < last => {
                address.set_port(address.port() + 1);
            }
            bound => return bound,
        }
    }
}

/// Listens on a UNIX stream socket at `path`, open to its owner only. A stale file there is replaced:
/// the caller makes sure that no other davy is at work in the folder.
pub fn listen_unix(path: &Path) -> io::Result<OwnedFd> {
    listen_unix_of(path, SocketType::STREAM)
}

pub(crate) fn listen_unix_of(path: &Path, kind: SocketType) -> io::Result<OwnedFd> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = rustix::net::socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    // Between bind and here the folder, which is private, keeps others away.
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// The process id of whoever connected to (or listens on) the other end of a UNIX socket.
pub fn peer_pid(socket: &impl AsFd) -> io::Result<u32> {
    let credentials = rustix::net::sockopt::socket_peercred(socket)?;
    Ok(credentials.pid.as_raw_nonzero().get().unsigned_abs())
}

const PORTS_TRIED: u16 = 20;
const BACKLOG: i32 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_passed_over_only_when_wished() {
        let (udp, _tcp) = bind_udp("127.0.0.1:0".parse().unwrap(), Wish::Exactly).unwrap();
        let taken = udp.address;
        let error = bind_udp(taken, Wish::Exactly).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        let (next, _) = bind_udp(taken, Wish::OrNext).unwrap();
        assert!(next.address.port() > taken.port());
        let next = bind_tcp(taken, Wish::OrNext).unwrap();
        assert!(next.address.port() > taken.port());
    }

    #[test]
    fn a_unix_socket_is_private_and_knows_its_peer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        drop(listen_unix(&path).unwrap());
        let listener = std::os::unix::net::UnixListener::from(listen_unix(&path).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let client = std::os::unix::net::UnixStream::connect(&path).unwrap();
        let (server, _) = listener.accept().unwrap();
        assert_eq!(peer_pid(&server).unwrap(), std::process::id());
        assert_eq!(peer_pid(&client).unwrap(), std::process::id());
    }
}
