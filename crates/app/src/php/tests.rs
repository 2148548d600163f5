//! A real php-fpm and php-cgi: found, configured, started, killed, ended.

use std::os::unix::net::UnixStream;
use std::sync::Arc;

use super::*;

#[test]
fn versions_and_sizes_are_read_as_php_writes_them() {
    assert_eq!(version("PHP 8.2.36 (fpm-fcgi) (built: x)").as_deref(), Some("8.2.36"));
    assert_eq!(version("PHP 8.5.0-dev (cgi-fcgi)").as_deref(), Some("8.5.0"));
    assert_eq!(version("hello"), None);
    assert_eq!(size(" => 2M => 2M"), Some(2 << 20));
    assert_eq!(size("</td><td class=\"v\">512K</td>"), Some(512 << 10));
    assert_eq!(size(" = \"1G\""), Some(1 << 30));
    assert_eq!(size(" = 123"), Some(123));
    assert_eq!(size(" = "), None);
    assert_eq!(size(" = 99999999999999999999G"), None);
}

#[test]
fn the_newest_program_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let make = |name: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    ["php-fpm7.4", "php-fpm8.10", "php-fpm8.9", "php-fpm8.11.bak", "php-fpm-x"]
        .into_iter()
        .for_each(make);
    let folders = [folder.path().to_owned()];
    assert_eq!(newest(&folders, "php-fpm"), Some(folder.path().join("php-fpm8.10")));
    assert_eq!(newest(&folders, "php-cgi"), None);
    make("php-fpm");
    assert_eq!(newest(&folders, "php-fpm"), Some(folder.path().join("php-fpm")));
}

#[tokio::test]
async fn an_installed_php_is_asked_what_it_is() {
    let path = std::env::var_os("PATH").unwrap();
    let php = Php::find(&Own::direct(), &path, Path::new("/")).await.unwrap();
    assert!(php.version.starts_with(php.short_version()), "{php:?}");
    assert!(php.modules.iter().any(|module| module == "session"), "{:?}", php.modules);
    assert!(php.upload_bytes_max >= 1 << 20, "{}", php.upload_bytes_max);
    let root = tempfile::tempdir().unwrap();
    assert_eq!(php.upload_bytes_max(root.path()), php.upload_bytes_max);
    std::fs::write(root.path().join(".user.ini"), "upload_max_filesize = 7K\n").unwrap();
    assert_eq!(php.upload_bytes_max(root.path()), 7 << 10);
}

/// A PHP of one kind in a folder of its own.
struct Stage {
    folder: tempfile::TempDir,
    settings: Settings,
}

impl Stage {
    fn new(kind: Kind) -> Stage {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("state dir")).unwrap();
        let folders = ELSEWHERE.map(PathBuf::from);
        let path = newest(&folders, kind.name()).expect("php-fpm and php-cgi are installed");
        let php =
            Php { path, kind, version: "8.2.0".into(), modules: Vec::new(), upload_bytes_max: 0 };
        let settings = Settings {
            own: Arc::new(Own::direct()),
            php,
            children: 2,
            requests_max: None,
            slow_after: Duration::from_secs(30),
            env: Vec::new(),
            mysql_socket: Some("/run/my $QL.sock".into()),
            project: folder.path().to_owned(),
            run: folder.path().to_owned(),
            state: at("state dir"),
            output: Arc::new(|_, _| ()),
        };
        Stage { folder, settings }
    }

    fn socket(&self, start: u32) -> PathBuf {
        self.folder.path().join(format!("php-{start}.sock"))
    }
}

async fn lives_dies_and_lives_again(kind: Kind) {
    let stage = Stage::new(kind);
    let (server, mut events) = Server::start(stage.settings.clone());
    assert_eq!(events.recv().await, Some(Event::Ready(stage.socket(1))));
    let first = server.status();
    assert!(first.ready && first.restarts == 0);
    let pid = rustix::process::Pid::from_raw(first.pid.unwrap().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(events.recv().await, Some(Event::Gone));
    assert_eq!(events.recv().await, Some(Event::Ready(stage.socket(2))));
    assert!(UnixStream::connect(stage.socket(1)).is_err(), "the old socket is gone");
    assert_eq!(server.status().restarts, 1);
    server.drain(Duration::from_secs(20)).await;
    assert!(UnixStream::connect(stage.socket(2)).is_err());
    assert_eq!(server.status().pid, None);
}

#[tokio::test]
async fn php_fpm_is_started_again_when_it_dies_and_ended_when_told() {
    lives_dies_and_lives_again(Kind::Fpm).await;
}

#[tokio::test]
async fn php_cgi_is_started_again_when_it_dies_and_ended_when_told() {
    lives_dies_and_lives_again(Kind::Cgi).await;
}

#[tokio::test]
async fn a_php_that_can_not_start_says_why() {
    let mut stage = Stage::new(Kind::Fpm);
    stage.settings.children = 0;
    let (_server, mut events) = Server::start(stage.settings.clone());
    let Some(Event::Failed { error }) = events.recv().await else { panic!("it can't start") };
    assert!(error.contains("php-fpm did not start") && error.contains("max_children"), "{error}");
}
