//! The site's database: who gets in, what is seen there, and a machine that has none.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use davy_e2e::{Davy, Sql, processes, tool};

use crate::sites;

/// The variables a site's workers have, as the site's own user finds them.
fn variables(davy: &Davy<'_>) -> BTreeMap<String, String> {
    processes::environ(davy.workers()[0])
}

#[test]
fn only_the_sites_user_gets_in_and_sees_only_its_own() {
    let project = sites::small();
    let davy = project.up();
    is_closed_to_others(&davy, &project.path(".davy/run/mysql.sock"));
    davy.stop();
}

#[test]
fn without_the_relay_nobody_else_gets_in_either() {
    let project = sites::small();
    let davy_toml = "workers = 1\n[db]\nengine = \"mariadb\"\nrelay = \"off\"\n";
    fs::write(project.path("davy.toml"), davy_toml).unwrap();
    let davy = project.up();
    is_closed_to_others(&davy, &project.path(".davy/run/db/mariadbd.sock"));
    davy.stop();
}

/// The site's workers are told of `expected`, and on it only the site's own user gets in.
fn is_closed_to_others(davy: &Davy<'_>, expected: &Path) {
    let variables = variables(davy);
    let socket = Path::new(&variables["MYSQL_UNIX_SOCKET"]);
    assert_eq!(socket, expected);
    let user = &*variables["MYSQL_USER"];
    let site = Sql { socket, user, password: Some(&variables["MYSQL_PASSWORD"]) };
    assert_eq!(site.run("SELECT CURRENT_USER()").unwrap(), format!("{user}@localhost"));
    let own = &variables["MYSQL_DATABASE"];
    assert_eq!(site.run("SHOW DATABASES").unwrap(), format!("information_schema\n{own}"));
    for closed in ["SELECT * FROM mysql.user", "CREATE DATABASE other", "CREATE USER other"] {
        let error = site.run(closed).unwrap_err();
        assert!(error.contains("denied"), "{closed}: {error}");
    }
    let me = Command::new(tool("whoami")).output().unwrap().stdout;
    let me = String::from_utf8(me).unwrap();
    let others = ["root", "mysql", "davy_admin", "mariadb.sys", "nobody", me.trim(), user];
    for (other, password) in
        others.into_iter().flat_map(|other| [(other, None), (other, Some("guess"))])
    {
        let error = Sql { socket, user: other, password }.run("SELECT 1").unwrap_err();
        assert!(error.contains("(28000): Access denied"), "{other}: {error}");
    }
}

/// Greets the server as `user` without a password, as MariaDB's client can't be told to for an
/// empty name, and gives the code of the error that comes back.
fn error_for(socket: &Path, user: &str) -> u16 {
    let mut server = UnixStream::connect(socket).unwrap();
    let packet = |server: &mut UnixStream| {
        let mut header = [0; 4];
        server.read_exact(&mut header).unwrap();
        let mut payload = vec![0; usize::from(u16::from_le_bytes([header[0], header[1]]))];
        server.read_exact(&mut payload).unwrap();
        payload
    };
    assert_eq!(packet(&mut server)[0], 10, "the server's greeting");
    // CLIENT_PROTOCOL_41 and CLIENT_SECURE_CONNECTION, 16 MiB, utf8mb4; the name; no password.
    let mut answer = vec![0x00, 0x82, 0, 0, 0, 0, 0, 1, 45];
    answer.resize(32, 0);
    answer.extend(user.as_bytes());
    answer.extend([0, 0]);
    server.write_all(&[u8::try_from(answer.len()).unwrap(), 0, 0, 1]).unwrap();
    server.write_all(&answer).unwrap();
    let error = packet(&mut server);
    assert_eq!(error[0], 0xff, "an error");
    u16::from_le_bytes([error[1], error[2]])
}

#[test]
fn nobody_without_a_name_gets_in() {
    let project = sites::small();
    let davy = project.up();
    let variables = variables(&davy);
    let socket = Path::new(&variables["MYSQL_UNIX_SOCKET"]);
    for user in ["", "root", &variables["MYSQL_USER"]] {
        assert_eq!(error_for(socket, user), 1045, "{user:?}");
    }
    davy.stop();
}

#[test]
fn the_servers_own_socket_and_passwords_are_closed_to_others() {
    let project = sites::small();
    let davy = project.up();
    let mode = |path: &str| fs::metadata(project.path(path)).unwrap().permissions().mode() & 0o777;
    assert!(project.path(".davy/run/db/mariadbd.sock").exists());
    for folder in [".davy/run", ".davy/run/db", ".davy/db/private"] {
        assert_eq!(mode(folder), 0o700, "{folder}");
    }
    assert_eq!(mode(".davy/db/private/davy_admin.password"), 0o600);
    assert_eq!(project.read(".davy/.gitignore"), "*\n");
    davy.stop();
}

/// A folder that holds `python3` and nothing else, to be a PATH.
fn path_of_python() -> tempfile::TempDir {
    let own_word = ["-c", "import sys; print(sys.executable)"];
    let python = Command::new(tool("python3")).args(own_word).output().unwrap().stdout;
    let folder = tempfile::tempdir().unwrap();
    symlink(String::from_utf8(python).unwrap().trim(), folder.path().join("python3")).unwrap();
    folder
}

#[test]
fn without_mariadb_and_apt_davy_says_what_to_install() {
    let (path, cache) = (path_of_python(), tempfile::tempdir().unwrap());
    let project = sites::small()
        .with_env("PATH", path.path().to_str().unwrap())
        .with_env("XDG_CACHE_HOME", cache.path().to_str().unwrap());
    let servers = ["/usr/sbin", "/usr/libexec", "/usr/local/sbin"]
        .into_iter()
        .flat_map(|folder| ["mariadbd", "mysqld"].map(|name| Path::new(folder).join(name)));
    let mut davy = project.start_hiding(&servers.collect::<Vec<_>>());
    davy.ends_badly();
    let said = davy.output();
    assert!(said.contains("apt-get is not on this system"), "{said}");
    assert!(said.contains("apt-get install mariadb-server-core"), "{said}");
    assert!(said.contains("DATABASE_URL") && said.contains("engine = \"none\""), "{said}");
    assert!(!project.path(".davy/db/data").exists(), "no data was begun");
}
