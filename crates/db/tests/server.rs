//! A real MariaDB, prepared, run and relayed as davy does it. It is the system's, else it comes
//! from the distribution's packages, once for all tests.

// clippy.toml allows it in tests, but does not know their helpers here.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use davy_db::{Error, Folders, Relay, RelaySettings, Seen, Server};
use flow::Stamp;
use flow::control::Access;
use mysql_async::prelude::Queryable;
use mysql_async::{ChangeUserOpts, Conn, OptsBuilder};
use proc::Own;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::Instant;

/// Where all tests' MariaDB is unpacked, if the system has none.
const CACHE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/packages");

fn folders(folder: &Path) -> Folders {
    Folders {
        data: folder.join("data"),
        private: folder.join("private"),
        run: folder.join("run"),
        socket: folder.join("mysql.sock"),
        cache: PathBuf::from(CACHE),
        zones: folder.join("zoneinfo"),
        path: std::env::var_os("PATH").unwrap_or_default(),
    }
}

/// The keeper's part: runs the program until it is dropped.
struct Database {
    server: Server,
    mariadbd: Child,
}

impl Database {
    async fn start(folder: &Path) -> Database {
        let prepared = Server::prepare(folders(folder), &Own::direct(), |_| {}).await;
        let server = prepared.unwrap_or_else(|error| panic!("no MariaDB to test with: {error}"));
        let mut mariadbd = run(&server);
        until_ready(&server, &mut mariadbd).await.unwrap();
        Database { server, mariadbd }
    }

    /// A connection past the relay, which only davy has.
    async fn admin(&self, folder: &Path) -> Conn {
        let password = folder.join("private/davy_admin.password");
        let password = std::fs::read_to_string(password).unwrap();
        connect(&self.server.socket(), "davy_admin", Some(&password)).await.unwrap()
    }
}

impl Drop for Database {
    /// Kills it, as a crash would. The folder is mostly removed next: nobody may still write to it.
    fn drop(&mut self) {
        self.mariadbd.start_kill().unwrap();
        while self.mariadbd.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
    }
}

fn run(server: &Server) -> Child {
    let program = server.program().unwrap();
    let mut command = Command::new(&program.argv[0]);
    command.args(&program.argv[1..]).envs(&program.env).current_dir(&program.dir);
    command.stdin(Stdio::null()).kill_on_drop(true).spawn().unwrap()
}

/// Waits for the server as the wiring does, which hears from the keeper when the program ends.
async fn until_ready(server: &Server, mariadbd: &mut Child) -> Result<(), Error> {
    let (running, ended) = watch::channel(None);
    let ready = server.ready(Instant::now() + Duration::from_secs(60), ended);
    let watched = async {
        let how = mariadbd.wait().await.unwrap();
        running.send_replace(Some(how.to_string()));
        std::future::pending::<()>().await;
    };
    tokio::select! {
        ready = ready => ready,
        () = watched => unreachable!("it waits for ever"),
    }
}

fn relay(database: &Database, folder: &Path, users: &[&str]) -> Relay {
    relay_to(database, folder, users, None)
}

fn relay_to(database: &Database, folder: &Path, users: &[&str], seen: Option<Seen>) -> Relay {
    let mut settings = RelaySettings::new(database.server.socket());
    settings.users = users.iter().map(|user| (*user).to_owned()).collect();
    let listener = proc::listen_unix(&folder.join("mysql.sock")).unwrap();
    Relay::start(settings, listener, seen).unwrap()
}

async fn connect(socket: &Path, user: &str, pass: Option<&str>) -> mysql_async::Result<Conn> {
    let options = OptsBuilder::default()
        .socket(socket.to_str())
        .user(Some(user))
        .pass(pass)
        .prefer_socket(false);
    Conn::new(options).await
}

async fn enter(access: &Access) -> Conn {
    let mut conn = connect(&access.socket, &access.user, Some(&access.password)).await.unwrap();
    conn.query_drop(format!("USE {}", access.database)).await.unwrap();
    conn
}

/// The server's error code.
fn code(error: &mysql_async::Error) -> u16 {
    match error {
        mysql_async::Error::Server(error) => error.code,
        other => panic!("not refused by an error packet: {other}"),
    }
}

#[tokio::test]
async fn nobody_comes_in_without_a_password() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::start(folder.path()).await;
    let shop = database.server.site_database("shop").await.unwrap();
    let relay = relay(&database, folder.path(), &["shop"]);
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    let mut names: BTreeSet<&str> =
        passwd.lines().filter_map(|line| line.split(':').next()).collect();
    names.extend(["", "root", "mysql", "davy_admin", "mariadb.sys", "nobody", "shop", "PUBLIC"]);
    for name in names {
        for socket in [&shop.socket, &database.server.socket()] {
            for pass in [None, Some(""), Some("invalid")] {
                let error = connect(socket, name, pass).await.map(drop).unwrap_err();
                assert!([1045, 1698].contains(&code(&error)), "{name}: {error}");
            }
        }
    }
    let password = std::fs::read_to_string(folder.path().join("private/davy_admin.password"));
    let admin = connect(&shop.socket, "davy_admin", Some(&password.unwrap())).await;
    assert_eq!(code(&admin.map(drop).unwrap_err()), 1045, "not even with its password");
    assert_eq!(relay.status().connections, 0);
}

#[tokio::test]
async fn no_account_is_open_and_none_trusts_the_socket() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::start(folder.path()).await;
    database.server.site_database("shop").await.unwrap();
    let mut admin = database.admin(folder.path()).await;
    let query = "SELECT User, Host, JSON_VALUE(Priv, '$.plugin'), \
                 JSON_VALUE(Priv, '$.authentication_string'), Priv FROM mysql.global_priv";
    let accounts: Vec<(String, String, String, String, String)> = admin.query(query).await.unwrap();
    let names: BTreeSet<&str> = accounts.iter().map(|(user, ..)| user.as_str()).collect();
    assert_eq!(names, BTreeSet::from(["davy_admin", "mariadb.sys", "shop"]));
    for (_, host, plugin, hash, rights) in &accounts {
        assert_eq!((host.as_str(), plugin.as_str()), ("localhost", "mysql_native_password"));
        assert!(hash.starts_with('*') && hash.len() == 41, "{rights}");
        assert!(!rights.contains("unix_socket") && !rights.contains("auth_or"), "{rights}");
    }
    let plugin =
        "SELECT plugin_status FROM information_schema.plugins WHERE plugin_name = 'unix_socket'";
    let status: Option<String> = admin.query_first(plugin).await.unwrap();
    assert_ne!(status.as_deref(), Some("ACTIVE"));
    let open = "SELECT COUNT(*) FROM mysql.db WHERE User = '' OR Db LIKE 'test%'";
    assert_eq!(admin.query_first::<u32, _>(open).await.unwrap(), Some(0));
    let network: Option<u32> = admin.query_first("SELECT @@skip_networking").await.unwrap();
    assert_eq!(network, Some(1));
}

#[tokio::test]
async fn a_site_has_its_own_database_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::start(folder.path()).await;
    let shop = database.server.site_database("my_shop").await.unwrap();
    let other = database.server.site_database("myxshop").await.unwrap();
    assert_eq!(database.server.site_database("my_shop").await.unwrap(), shop, "the same again");
    assert!(shop.server.starts_with("MariaDB 1"), "{}", shop.server);
    let relay = relay(&database, folder.path(), &["my_shop", "myxshop"]);
    let mut conn = enter(&shop).await;
    conn.query_drop("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, name TEXT)").await.unwrap();
    conn.exec_drop("INSERT INTO t (name) VALUES (?), (?)", ("ünï 🔥", "b")).await.unwrap();
    let names: Vec<String> =
        conn.exec("SELECT name FROM t WHERE id < ? ORDER BY id", (9,)).await.unwrap();
    assert_eq!(names, ["ünï 🔥", "b"]);
    conn.query_drop("CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET @seen = 1")
        .await
        .unwrap();
    for forbidden in ["USE myxshop", "USE mysql", "CREATE DATABASE x", "CREATE USER x"] {
        let error = conn.query_drop(forbidden).await.unwrap_err();
        assert!([1044, 1227].contains(&code(&error)), "{forbidden}: {error}");
    }
    let status = relay.status();
    assert_eq!(status.peers[0].pid, std::process::id());
    assert_eq!(status.peers[0].user.as_deref(), Some("my_shop"));
    enter(&other).await.disconnect().await.unwrap();
}

#[tokio::test]
async fn large_packets_pass_both_ways() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::start(folder.path()).await;
    let shop = database.server.site_database("shop").await.unwrap();
    let _relay = relay(&database, folder.path(), &["shop"]);
    let mut conn = enter(&shop).await;
    let length = 20 * 1024 * 1024;
    let query = format!("SELECT REPEAT('x', {length})");
    let text: String = conn.query_first(query).await.unwrap().unwrap();
    assert!(text.len() == length && text.bytes().all(|byte| byte == b'x'));
    let (bytes, sum): (u64, String) =
        conn.exec_first("SELECT LENGTH(?), RIGHT(?, 3)", (&text, &text)).await.unwrap().unwrap();
    assert_eq!((bytes, sum.as_str()), (length as u64, "xxx"));
    // 0xffffff bytes of payload, the command's byte among them: an empty packet follows.
    let exact = format!("SELECT '{}'", "y".repeat(0xff_ffff - "\x03SELECT ''".len()));
    let text: String = conn.query_first(exact).await.unwrap().unwrap();
    assert_eq!(text.len(), 0xff_ffff - 10);
    conn.ping().await.unwrap();
}

#[tokio::test]
async fn statements_are_seen_as_they_pass() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::start(folder.path()).await;
    let shop = database.server.site_database("shop").await.unwrap();
    let (seen, mut queries) = Seen::channel(100);
    let relay = relay_to(&database, folder.path(), &["shop"], Some(seen));
    let began = Stamp::now();
    let mut conn = enter(&shop).await;
    conn.query_drop("CREATE TABLE t (id INT PRIMARY KEY, name LONGTEXT)").await.unwrap();
    conn.exec_drop("INSERT INTO t VALUES (?, ?), (2, 'Ada')", (1, "x".repeat(20_000_000)))
        .await
        .unwrap();
    let names: Vec<String> = conn.exec("SELECT name FROM t ORDER BY id", ()).await.unwrap();
    assert_eq!(names.len(), 2);
    let error = conn.query_drop("INSERT INTO t VALUES (2, 'secret')").await.unwrap_err();
    assert_eq!(code(&error), 1062);
    conn.query_drop("SELECT 1; SELECT SLEEP(0.02)").await.unwrap();
    conn.disconnect().await.unwrap();
    let mut found = Vec::new();
    while found.len() < 7 {
        found.push(queries.next().await.unwrap());
    }
    let shown: Vec<(u64, &str, Option<&str>)> = found
        .iter()
        .map(|query| (query.rows, query.text.as_str(), query.error.as_deref()))
        .collect();
    let expected = [
        (1, "SELECT @@max_allowed_packet,@@wait_timeout", None),
        (0, "USE shop", None),
        (0, "CREATE TABLE t (id INT PRIMARY KEY, name LONGTEXT)", None),
        (2, "INSERT INTO t VALUES (?…)", None),
        (2, "SELECT name FROM t ORDER BY id", None),
        (0, "INSERT INTO t VALUES (?…)", Some("1062 (23000): Duplicate entry ?")),
        (2, "SELECT ?;…", None),
    ];
    assert_eq!(shown, expected);
    assert!(found.iter().all(|query| query.pid == std::process::id()));
    let times: Vec<Stamp> = found.iter().flat_map(|query| [query.begun, query.ended]).collect();
    assert!(began < times[0] && times.is_sorted() && times[13] < Stamp::now(), "{times:?}");
    assert!(found[6].ended.since(found[6].begun) >= Duration::from_millis(20));
    assert_eq!((relay.status().missed, relay.status().unread), (0, 0));
}

#[tokio::test]
async fn statements_that_nobody_fetches_are_counted_and_delay_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::start(folder.path()).await;
    let shop = database.server.site_database("shop").await.unwrap();
    let (seen, mut queries) = Seen::channel(1);
    let relay = relay_to(&database, folder.path(), &["shop"], Some(seen));
    let mut conn = enter(&shop).await;
    for number in 0..10 {
        let same: Option<u32> = conn.exec_first("SELECT ?", (number,)).await.unwrap();
        assert_eq!(same, Some(number));
    }
    // The login's own question found room; USE and the ten did not.
    assert_eq!((relay.status().missed, queries.missed(), queries.missed()), (11, 11, 0));
    assert!(queries.next().await.is_some());
    conn.query_drop("DO 1").await.unwrap();
    assert_eq!(queries.next().await.unwrap().text, "DO ?");
}

#[tokio::test]
async fn a_session_may_become_another_site_but_not_the_admin() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::start(folder.path()).await;
    let shop = database.server.site_database("shop").await.unwrap();
    let blog = database.server.site_database("blog").await.unwrap();
    let relay = relay(&database, folder.path(), &["shop", "blog"]);
    let mut conn = enter(&shop).await;
    let options = ChangeUserOpts::new()
        .with_user(Some(blog.user.clone()))
        .with_pass(Some(blog.password.clone()));
    conn.change_user(options).await.unwrap();
    let user: Option<String> = conn.query_first("SELECT CURRENT_USER()").await.unwrap();
    assert_eq!(user.as_deref(), Some("blog@localhost"));
    assert_eq!(relay.status().peers[0].user.as_deref(), Some("blog"));
    for name in ["root", "davy_admin"] {
        let mut conn = enter(&shop).await;
        let options = ChangeUserOpts::new().with_user(Some(name.into())).with_pass(Some("".into()));
        assert_eq!(code(&conn.change_user(options).await.unwrap_err()), 1045, "{name}");
    }
    relay.reload(HashSet::new());
    let error = connect(&shop.socket, "shop", Some(&shop.password)).await.map(drop).unwrap_err();
    assert_eq!(code(&error), 1045);
}

/// Each server removes at its start the temporary tables it finds where it keeps its own.
#[tokio::test]
async fn two_databases_leave_each_others_temporary_tables_alone() {
    let [one, other] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let database = Database::start(one.path()).await;
    let shop = database.server.site_database("shop").await.unwrap();
    let _relay = relay(&database, one.path(), &["shop"]);
    let mut conn = enter(&shop).await;
    conn.query_drop("CREATE TEMPORARY TABLE t (id INT) ENGINE = Aria").await.unwrap();
    let _other = Database::start(other.path()).await;
    conn.query_drop("INSERT INTO t VALUES (1)").await.unwrap();
    conn.query_drop("DROP TEMPORARY TABLE t").await.unwrap();
    let place: Option<String> = conn.query_first("SELECT @@tmpdir").await.unwrap();
    assert_eq!(Path::new(&place.unwrap()), one.path().join("private/tmp"));
}

/// What the walker relies on to tell commands from other packets.
#[tokio::test]
async fn the_server_takes_no_command_whose_number_is_not_zero() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::start(folder.path()).await;
    let shop = database.server.site_database("shop").await.unwrap();
    let proxy = folder.path().join("proxy.sock");
    let listener = UnixListener::bind(&proxy).unwrap();
    for (number, answered) in [(0, true), (1, false), (2, false), (255, false)] {
        let server = UnixStream::connect(database.server.socket()).await.unwrap();
        let client = connect(&proxy, &shop.user, Some(&shop.password));
        let ping = async { client.await.unwrap().ping().await };
        let renumbered = async {
            let (client, _) = listener.accept().await.unwrap();
            renumber_pings(client, server, number).await;
            std::future::pending::<()>().await;
        };
        let outcome = tokio::select! {
            outcome = ping => outcome,
            () = renumbered => unreachable!("it waits for ever"),
        };
        assert_eq!(outcome.is_ok(), answered, "number {number}: {outcome:?}");
    }
}

/// Hands all bytes on, but gives the command COM_PING another sequence number.
async fn renumber_pings(mut client: UnixStream, mut server: UnixStream, number: u8) {
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let down = tokio::io::copy(&mut from_server, &mut to_client);
    let up = async {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
            if buffer[..read] == [1, 0, 0, 0, 0x0e] {
                buffer[3] = number;
            }
            to_server.write_all(&buffer[..read]).await.unwrap();
        }
    };
    tokio::select! {
        _ = down => {}
        () = up => {}
    }
}

#[tokio::test]
async fn data_survives_a_crash_and_connections_wait_for_the_restart() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::start(folder.path()).await;
    let shop = database.server.site_database("shop").await.unwrap();
    let _relay = relay(&database, folder.path(), &["shop"]);
    let mut conn = enter(&shop).await;
    conn.query_drop("CREATE TABLE t (id INT PRIMARY KEY)").await.unwrap();
    conn.query_drop("INSERT INTO t VALUES (7)").await.unwrap();
    drop(database);
    assert!(conn.ping().await.is_err(), "a session ends with the server it was on");
    let waiting = tokio::spawn(async move { enter(&shop).await });
    let database = Database::start(folder.path()).await;
    let mut conn = waiting.await.unwrap();
    assert_eq!(conn.query_first::<u32, _>("SELECT id FROM t").await.unwrap(), Some(7));
    drop(database);
}

#[tokio::test]
async fn an_interrupted_first_start_leaves_nothing_half() {
    let folder: TempDir = tempfile::tempdir().unwrap();
    let part = folder.path().join("data.part");
    std::fs::create_dir_all(part.join("mysql")).unwrap();
    std::fs::write(part.join("ibdata1"), "half").unwrap();
    let database = Database::start(folder.path()).await;
    assert!(!part.exists());
    let mode = std::os::unix::fs::PermissionsExt::mode;
    let private = |name: &str| mode(&folder.path().join(name).metadata().unwrap().permissions());
    for name in ["data", "private", "run"] {
        assert_eq!(private(name) & 0o777, 0o700, "{name}");
    }
    assert_eq!(private("private/davy_admin.password") & 0o777, 0o600);
    drop(database);
}

/// As [`folders`], with a cache of the test's own that has MariaDB, but no data directory.
async fn folders_with_cache(folder: &Path, cache: &Path) -> Folders {
    let fetched = tempfile::tempdir().unwrap();
    Server::prepare(folders(fetched.path()), &Own::direct(), |_| {}).await.unwrap();
    for entry in std::fs::read_dir(CACHE).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name.to_string_lossy().starts_with("mariadb-") && !cache.join(&name).exists() {
            std::os::unix::fs::symlink(entry.path(), cache.join(name)).unwrap();
        }
    }
    Folders { cache: cache.to_owned(), ..folders(folder) }
}

/// The names of the templates in a cache.
fn templates(cache: &Path) -> Vec<String> {
    let names = std::fs::read_dir(cache).unwrap().map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.into_string().unwrap());
    names.filter(|name| name.starts_with("database-")).collect()
}

#[tokio::test]
async fn sites_get_copies_of_one_template_without_secrets() {
    let cache = tempfile::tempdir().unwrap();
    let [one, other] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    std::fs::create_dir(cache.path().join("database-1.0.0-old")).unwrap();
    let own = Own::direct();
    // Both at once: one makes the template, the other waits for it.
    let first = folders_with_cache(one.path(), cache.path()).await;
    let second = folders_with_cache(other.path(), cache.path()).await;
    let (mut said, mut said_too) = (Vec::new(), Vec::new());
    let (server, _) = tokio::try_join!(
        Server::prepare(first, &own, |text| said.push(text.to_owned())),
        Server::prepare(second, &own, |text| said_too.push(text.to_owned())),
    )
    .unwrap();
    said.extend(said_too);
    assert_eq!(said, ["making a data directory to copy, once for all sites"]);
    let templates = templates(cache.path());
    let [template] = &templates[..] else { panic!("one, and not the old one: {templates:?}") };
    assert!(template.contains(&server.version().to_string()));
    let grants = std::fs::read(cache.path().join(template).join("mysql/global_priv.MAD")).unwrap();
    let has = |name: &[u8]| grants.windows(name.len()).any(|bytes| bytes == name);
    assert!(has(b"mariadb.sys") && !has(b"davy_admin"));
    let key = |folder: &TempDir| folder.path().join("private/davy_admin.password");
    let keys = [&one, &other].map(|folder| std::fs::read_to_string(key(folder)).unwrap());
    assert_ne!(keys[0], keys[1]);
}

#[tokio::test]
async fn a_cache_that_cannot_be_written_costs_time_only() {
    let (cache, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folders = folders_with_cache(folder.path(), cache.path()).await;
    std::fs::create_dir(cache.path().join("database.lock")).unwrap();
    let own = Own::direct();
    let server = Server::prepare(folders, &own, |_| {}).await.unwrap();
    until_ready(&server, &mut run(&server)).await.unwrap();
    assert!(templates(cache.path()).is_empty());
}

#[tokio::test]
async fn time_zones_of_the_machine_are_known_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let zone = folder.path().join("zoneinfo/Europe/Berlin");
    std::fs::create_dir_all(zone.parent().unwrap()).unwrap();
    // A zone that is a rule and nothing else (RFC 9636 §3).
    let block = b"TZif2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
                  \0\0\0\x01\0\0\0\x04\0\0\x0e\x10\0\0CET\0";
    std::fs::write(&zone, [&block[..], block, b"\nCET-1CEST,M3.5.0,M10.5.0/3\n"].concat()).unwrap();
    let cache = tempfile::tempdir().unwrap();
    let folders = folders_with_cache(folder.path(), cache.path()).await;
    let server = Server::prepare(folders, &Own::direct(), |_| {}).await.unwrap();
    let mut mariadbd = run(&server);
    until_ready(&server, &mut mariadbd).await.unwrap();
    let database = Database { server, mariadbd };
    let mut admin = database.admin(folder.path()).await;
    for (utc, berlin) in [
        ("2026-01-01 12:00:00", "2026-01-01 13:00:00"),
        ("2026-03-29 00:59:59", "2026-03-29 01:59:59"),
        ("2026-03-29 01:00:00", "2026-03-29 03:00:00"),
        ("2037-07-01 12:00:00", "2037-07-01 14:00:00"),
        ("1970-01-02 00:00:00", "1970-01-02 01:00:00"),
    ] {
        let query = "SELECT CAST(CONVERT_TZ(?, '+00:00', 'Europe/Berlin') AS CHAR), \
                     CAST(CONVERT_TZ(?, 'Europe/Berlin', '+00:00') AS CHAR)";
        let there_and_back: Option<(Option<String>, Option<String>)> =
            admin.exec_first(query, (utc, berlin)).await.unwrap();
        assert_eq!(there_and_back, Some((Some(berlin.into()), Some(utc.into()))));
    }
    admin.query_drop("SET time_zone = 'Europe/Berlin'").await.unwrap();
}

/// davy_admin's password is set at every start of the server.
#[tokio::test]
async fn a_lost_password_of_davys_own_locks_nobody_out() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::start(folder.path()).await;
    let shop = database.server.site_database("shop").await.unwrap();
    drop(database);
    std::fs::remove_file(folder.path().join("private/davy_admin.password")).unwrap();
    let database = Database::start(folder.path()).await;
    assert_eq!(database.server.site_database("shop").await.unwrap(), shop);
}

#[tokio::test]
async fn a_server_that_ends_is_told_with_its_last_words() {
    let folder = tempfile::tempdir().unwrap();
    let own = Own::direct();
    let server = Server::prepare(folders(folder.path()), &own, |_| {}).await.unwrap();
    std::fs::write(folder.path().join("data/ibdata1"), "not a tablespace").unwrap();
    let mut mariadbd = run(&server);
    let error = until_ready(&server, &mut mariadbd).await.unwrap_err();
    assert!(matches!(error, Error::Ended { .. }), "{error}");
    assert!(error.to_string().contains("ibdata1"), "{error}");
}
