//! Opening a file beneath a folder, and nowhere else.

use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};

use flow::{Failure, Step};
use http::StatusCode;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use super::kind::Kind;
use super::{File, Found};

/// Opens `name`, relative to `folder`; `path` is the whole path, for messages. An empty name or one
/// that ends in `/` means the index in it.
pub(super) fn open(folder: &OwnedFd, name: &[u8], path: &[u8]) -> Result<Found, Failure> {
    if name.is_empty() || name.ends_with(b"/") {
        let index = [name, INDEX].concat();
        return open_file(folder, &index, path);
    }
    open_file(folder, name, path)
}

fn open_file(folder: &OwnedFd, name: &[u8], path: &[u8]) -> Result<Found, Failure> {
    let fd = match open_beneath(folder, name) {
        Ok(fd) => fd,
        Err(errno) => return failed(errno, path),
    };
    let stat = rustix::fs::fstat(&fd).map_err(|errno| unreadable(errno, path))?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(Found::File(file(fd, &stat, name))),
        FileType::Directory => match open_beneath(&fd, INDEX) {
            Ok(_) => Ok(Found::Folder),
            Err(_) => Ok(Found::Nothing),
        },
        _ => Ok(Found::Nothing),
    }
}

/// What lies at `name`, if anything does. It is not opened for reading: PHP does that.
pub(super) fn kind(folder: &OwnedFd, name: &[u8]) -> Option<FileType> {
    let fd = open_with(folder, name, OFlags::PATH | OFlags::CLOEXEC).ok()?;
    let stat = rustix::fs::fstat(&fd).ok()?;
    Some(FileType::from_raw_mode(stat.st_mode))
}

/// The text of a file, up to a size; None when there is none, or it can't be read.
pub(super) fn text(folder: &OwnedFd, name: &[u8], bytes_max: usize) -> Option<Vec<u8>> {
    let fd = open_beneath(folder, name).ok()?;
    let stat = rustix::fs::fstat(&fd).ok()?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return None;
    }
    let mut bytes = Vec::new();
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX);
    std::fs::File::from(fd).take(limit).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn open_beneath(folder: &impl AsFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    open_with(folder, name, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY)
}

fn open_with(folder: &impl AsFd, name: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let mut tries = 0;
    loop {
        match rustix::fs::openat2(folder, name, flags, Mode::empty(), resolve) {
            // The kernel can't tell whether `..` in a link left the folder when something was
            // renamed meanwhile (openat2(2)), and asks to try again.
            Err(Errno::AGAIN) if tries < TRIES_MAX => tries += 1,
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}

/// Whether an error means that there is no such file, or that something is wrong with the server.
fn failed(errno: Errno, path: &[u8]) -> Result<Found, Failure> {
    match errno {
        Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::IO | Errno::NOSYS | Errno::ACCESS => {
            Err(unreadable(errno, path))
        }
        // NOENT, NOTDIR, LOOP, NAMETOOLONG, XDEV (out of the folder), NXIO (a socket) and the like.
        _ => Ok(Found::Nothing),
    }
}

fn unreadable(errno: Errno, path: &[u8]) -> Failure {
    let path = path.escape_ascii();
    let (status, todo) = match errno {
        Errno::ACCESS => (StatusCode::FORBIDDEN, "make it readable for davy's user"),
        Errno::MFILE | Errno::NFILE => {
            (StatusCode::SERVICE_UNAVAILABLE, "raise the limit of open files")
        }
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "look at the disk and the kernel's log"),
    };
    Failure::new(Step::Web, status, format!("can't open the file of {path}: {errno}; {todo}"))
}

fn file(fd: OwnedFd, stat: &Stat, name: &[u8]) -> File {
    File {
        fd,
        size: u64::try_from(stat.st_size).unwrap_or_default(),
        modified: u64::try_from(stat.st_mtime).unwrap_or_default(),
        tag: tag(stat),
        kind: Kind::of(name),
    }
}

/// A strong validator: another one as soon as the file is written or replaced. Time, size and inode
/// are mixed, as the inode is nobody's business.
fn tag(stat: &Stat) -> [u8; 18] {
    let seconds = i128::from(stat.st_mtime);
    let mut mixed: u128 = FNV_BASIS;
    for part in [seconds * 1_000_000_000 + stat.st_mtime_nsec as i128, stat.st_size.into()] {
        mixed = (mixed ^ part.cast_unsigned()).wrapping_mul(FNV_PRIME);
    }
    mixed = (mixed ^ u128::from(stat.st_ino)).wrapping_mul(FNV_PRIME);
    let mut tag = [b'"'; 18];
    // 16 digits fit between the quotes, so that nothing is left to fail.
    let _ = write!(&mut tag[1..], "{:016x}", (mixed >> 64) as u64 ^ mixed as u64);
    tag
}

/// What a folder shows.
const INDEX: &[u8] = b"index.html";

/// How often a name is tried again while something is being renamed.
const TRIES_MAX: u32 = 8;

/// The parameters of FNV-1a with 128 bits, here fed with whole numbers instead of bytes.
const FNV_BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const FNV_PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
