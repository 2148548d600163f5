//! The Python worker, carried in the binary and written out for the interpreter to run.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::key::Key;

/// Writes the worker below `state`, unless it is there already, and gives the path of its main.py.
pub fn write_worker(state: &Path) -> Result<PathBuf, Error> {
    write(state, &FILES).map(|folder| folder.join("main.py"))
}

/// Writes a worker's files below `state`, unless they are there already, and gives their folder. It
/// is named after its content and appears complete or not at all, so processes of an older davy
/// keep theirs.
pub(crate) fn write(state: &Path, files: &[(&str, &[u8])]) -> Result<PathBuf, Error> {
    let key =
        files.iter().fold(Key::new(), |key, (name, bytes)| key.with(name.as_bytes()).with(bytes));
    let folder = state.join(format!("worker-{key}"));
    if !folder.is_dir() {
        write_to(state, files, &folder).map_err(Error::io(&folder))?;
    }
    Ok(folder)
}

/// What starts a worker for `callable` (`module:callable`), and how many requests it runs at a time
/// if that is a WSGI application.
pub fn worker_argv(
    python: &Path,
    main: &Path,
    callable: &str,
    threads: Option<u16>,
) -> Vec<OsString> {
    let threads = threads.unwrap_or(1).to_string();
    vec![python.into(), main.into(), callable.into(), "--threads".into(), threads.into()]
}

/// What starts the process that such workers are forked from.
pub fn preload_argv(worker_argv: &[OsString]) -> Vec<OsString> {
    worker_argv.iter().cloned().chain(["--preload".into()]).collect()
}

fn write_to(state: &Path, files: &[(&str, &[u8])], folder: &Path) -> io::Result<()> {
    fs::create_dir_all(state)?;
    let part = tempfile::Builder::new().prefix("worker-").suffix(".part").tempdir_in(state)?;
    // An empty file stands for what this davy does not have.
    for (name, bytes) in files.iter().filter(|(_, bytes)| !bytes.is_empty()) {
        fs::write(part.path().join(name), bytes)?;
    }
    match fs::rename(part.path(), folder) {
        // Another davy was faster; its content is the same.
        Err(_) if folder.is_dir() => Ok(()),
        renamed => renamed,
    }
}

const FILES: [(&str, &[u8]); 16] = [
    ("asgi.py", include_bytes!("../workers/python/asgi.py")),
    ("interface.py", include_bytes!("../workers/python/interface.py")),
    ("lifespan.py", include_bytes!("../workers/python/lifespan.py")),
    ("loop.py", include_bytes!("../workers/python/loop.py")),
    ("main.py", include_bytes!("../workers/python/main.py")),
    ("native.py", include_bytes!("../workers/python/native.py")),
    ("output.py", include_bytes!("../workers/python/output.py")),
    ("rfc6455.py", include_bytes!("../workers/python/rfc6455.py")),
    ("server.py", include_bytes!("../workers/python/server.py")),
    ("streams.py", include_bytes!("../workers/python/streams.py")),
    ("threads.py", include_bytes!("../workers/python/threads.py")),
    ("websocket.py", include_bytes!("../workers/python/websocket.py")),
    ("wire.py", include_bytes!("../workers/python/wire.py")),
    ("wsgi.py", include_bytes!("../workers/python/wsgi.py")),
    ("zygote.py", include_bytes!("../workers/python/zygote.py")),
    // Built by build.rs. Python looks for just this name.
    ("_native.abi3.so", include_bytes!(concat!(env!("OUT_DIR"), "/_native.abi3.so"))),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worker_is_written_once_and_whole() {
        let state = tempfile::tempdir().unwrap();
        let main = write_worker(&state.path().join("deep/er")).unwrap();
        for (name, bytes) in FILES {
            assert!(fs::read(main.with_file_name(name)).unwrap() == bytes, "{name}");
        }
        let before = fs::metadata(&main).unwrap().modified().unwrap();
        assert_eq!(write_worker(&state.path().join("deep/er")).unwrap(), main);
        assert_eq!(fs::metadata(&main).unwrap().modified().unwrap(), before);
        let left = fs::read_dir(state.path().join("deep/er")).unwrap().count();
        assert_eq!(left, 1, "no partial folder is left");
    }
}
