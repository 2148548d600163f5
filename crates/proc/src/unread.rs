//! How much of what was sent the other end has not read.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::ioctl::{Getter, Opcode};

/// How much memory what was sent through a UNIX stream socket still takes in the kernel, in bytes:
/// 0 when the other end has read all of it (SIOCOUTQ, unix(7)).
pub fn unread(socket: BorrowedFd<'_>) -> io::Result<usize> {
    // SAFETY: the request writes one int, and Getter has room for just that.
    let bytes = unsafe { rustix::ioctl::ioctl(socket, Getter::<SIOCOUTQ, i32>::new())? };
    Ok(usize::try_from(bytes).unwrap_or(0))
}

/// The number that Linux has for it on all machines that davy runs on (asm-generic/ioctls.h).
const SIOCOUTQ: Opcode = 0x5411;

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::fd::AsFd as _;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn what_is_sent_is_unread_until_it_is_read() {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        assert_eq!(unread(ours.as_fd()).unwrap(), 0);
        ours.write_all(b"hello").unwrap();
        assert!(unread(ours.as_fd()).unwrap() > 0);
        let mut bytes = [0; 3];
        theirs.read_exact(&mut bytes).unwrap();
        assert!(unread(ours.as_fd()).unwrap() > 0, "a part is left");
        theirs.read_exact(&mut bytes[..2]).unwrap();
        assert_eq!(unread(ours.as_fd()).unwrap(), 0);
    }
}
