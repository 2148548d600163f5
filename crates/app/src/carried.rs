//! The Python worker, carried in the binary and written out for the interpreter to run.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::key::Key;

/// Writes the worker below `state`, unless it is there already, and gives the path of its main.py.
/// The folder is named after its content and appears complete or not at all, so processes of an
/// older davy keep theirs.
pub fn write_worker(state: &Path) -> Result<PathBuf, Error> {
    let key = FILES
        .iter()
        .fold(Key::new(), |key, (name, text)| key.with(name.as_bytes()).with(text.as_bytes()));
    let folder = state.join(format!("worker-{key}"));
    if !folder.is_dir() {
        write_to(state, &folder).map_err(Error::io(&folder))?;
    }
    Ok(folder.join("main.py"))
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

fn write_to(state: &Path, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(state)?;
    let part = tempfile::Builder::new().prefix("worker-").suffix(".part").tempdir_in(state)?;
    for (name, text) in FILES {
        fs::write(part.path().join(name), text)?;
    }
    match fs::rename(part.path(), folder) {
        // Another davy was faster; its content is the same.
        Err(_) if folder.is_dir() => Ok(()),
        renamed => renamed,
    }
}

const FILES: [(&str, &str); 13] = [
    ("asgi.py", include_str!("../workers/python/asgi.py")),
    ("interface.py", include_str!("../workers/python/interface.py")),
    ("lifespan.py", include_str!("../workers/python/lifespan.py")),
    ("loop.py", include_str!("../workers/python/loop.py")),
    ("main.py", include_str!("../workers/python/main.py")),
    ("output.py", include_str!("../workers/python/output.py")),
    ("rfc6455.py", include_str!("../workers/python/rfc6455.py")),
    ("server.py", include_str!("../workers/python/server.py")),
    ("streams.py", include_str!("../workers/python/streams.py")),
    ("threads.py", include_str!("../workers/python/threads.py")),
    ("websocket.py", include_str!("../workers/python/websocket.py")),
    ("wire.py", include_str!("../workers/python/wire.py")),
    ("wsgi.py", include_str!("../workers/python/wsgi.py")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worker_is_written_once_and_whole() {
        let state = tempfile::tempdir().unwrap();
        let main = write_worker(&state.path().join("deep/er")).unwrap();
        for (name, text) in FILES {
            assert_eq!(fs::read_to_string(main.with_file_name(name)).unwrap(), text);
        }
        let before = fs::metadata(&main).unwrap().modified().unwrap();
        assert_eq!(write_worker(&state.path().join("deep/er")).unwrap(), main);
        assert_eq!(fs::metadata(&main).unwrap().modified().unwrap(), before);
        let left = fs::read_dir(state.path().join("deep/er")).unwrap().count();
        assert_eq!(left, 1, "no partial folder is left");
    }
}
