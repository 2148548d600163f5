//! Where UNIX sockets lie. A socket's path is limited to 107 bytes by the kernel, and some clients
//! take less: long ones move to a private folder.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The longest path of a socket that stays where it is, in bytes.
pub const SOCKET_PATH_BYTES_MAX: usize = 60;

/// Makes `path` and its parents; the folder itself with mode 0700. One that exists must be ours and
/// closed to others.
pub fn private_folder(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    // symlink_metadata: a link that somebody else put there must not be followed.
    let found = fs::symlink_metadata(path)?;
    let own = rustix::process::geteuid().as_raw();
    if !found.is_dir() || found.uid() != own || found.mode() & 0o077 != 0 {
        let text = format!("{} is not a folder of ours with mode 0700", path.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
    }
    Ok(())
}

/// The folder for the sockets of the davy whose state lies in `state`: `state/run`, or, when a socket
/// with a name of `name_bytes_max` bytes would get too long a path there, a folder of the runtime
/// directory (`$XDG_RUNTIME_DIR`, else `/tmp`) named after the state folder. Pure: makes nothing.
pub fn socket_folder(state: &Path, name_bytes_max: usize, runtime: Option<&OsStr>) -> PathBuf {
    let near = state.join("run");
    if near.as_os_str().len() + 1 + name_bytes_max <= SOCKET_PATH_BYTES_MAX {
        return near;
    }
    let mark = fingerprint(state.as_os_str().as_bytes());
    match runtime.map(Path::new).filter(|path| path.is_absolute() && path.as_os_str().len() <= 24) {
        Some(runtime) => runtime.join(format!("davy-{mark:012x}")),
        None => {
            let own = rustix::process::geteuid().as_raw();
            PathBuf::from(format!("/tmp/davy-{own}-{mark:012x}"))
        }
    }
}

/// FNV-1a, cut to 48 bits: two folders of one person hardly ever share it, and the folder's owner is
/// checked in any case.
fn fingerprint(bytes: &[u8]) -> u64 {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    hash >> 16
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn short_paths_stay_and_long_ones_move() {
        let near = socket_folder(Path::new("/srv/shop/.davy"), 16, None);
        assert_eq!(near, Path::new("/srv/shop/.davy/run"));
        let state = PathBuf::from(format!("/srv/{}/.davy", "x".repeat(200)));
        let far = socket_folder(&state, 16, Some(OsStr::new("/run/user/1000")));
        assert!(far.starts_with("/run/user/1000"), "{}", far.display());
        assert!(far.as_os_str().len() + 17 <= SOCKET_PATH_BYTES_MAX);
        let far = socket_folder(&state, 16, None);
        assert!(far.starts_with("/tmp"), "{}", far.display());
        assert!(far.as_os_str().len() + 17 <= SOCKET_PATH_BYTES_MAX);
        assert_ne!(far, socket_folder(&state.join("other"), 16, None));
    }

    #[test]
    fn an_open_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let private = folder.path().join("a/b");
        private_folder(&private).unwrap();
        assert_eq!(fs::metadata(&private).unwrap().permissions().mode() & 0o777, 0o700);
        private_folder(&private).unwrap();
        fs::set_permissions(&private, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(private_folder(&private).is_err());
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path().join("a"), &link).unwrap();
        assert!(private_folder(&link).is_err());
    }
}
