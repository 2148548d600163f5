//! What PHP is started with: its arguments and, for php-fpm, its configuration. Pure.
//!
//! php.ini stays the distribution's. What is set here keeps the site's files in the site's folder,
//! and leaves all decisions about requests to davy's queue: as many children as it has connections,
//! none of them ended by PHP's own clock.

use std::ffi::OsString;
use std::path::Path;

use super::{Kind, Settings};

/// Who runs PHP. php-fpm refuses to run as root unless that is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum User {
    Root,
    Other,
}

/// The program and its arguments; php-fpm's configuration lies at `conf`.
pub(super) fn argv(settings: &Settings, conf: &Path, user: User) -> Vec<OsString> {
    let mut argv: Vec<OsString> = vec![(&settings.php.path).into()];
    for (name, value) in ini(settings) {
        argv.extend(["-d".into(), format!("{name}={value}").into()]);
    }
    if settings.php.kind == Kind::Fpm {
        argv.extend(["--nodaemonize".into(), "--fpm-config".into(), conf.into()]);
        if user == User::Root {
            argv.push("--allow-to-run-as-root".into());
        }
    }
    argv
}

/// Variables that php-cgi takes instead of a configuration.
pub(super) fn variables(settings: &Settings) -> Vec<(String, String)> {
    match settings.php.kind {
        Kind::Fpm => Vec::new(),
        Kind::Cgi => vec![
            ("PHP_FCGI_CHILDREN".to_owned(), settings.children.to_string()),
            ("PHP_FCGI_MAX_REQUESTS".to_owned(), settings.requests_max.unwrap_or(0).to_string()),
        ],
    }
}

/// Settings of php.ini, which its own, a `.user.ini` and the scripts themselves may change where PHP
/// lets them.
fn ini(settings: &Settings) -> Vec<(&'static str, String)> {
    let folder = |name: &str| quoted(&settings.state.join(name));
    let mut ini = vec![
        ("expose_php", "0".to_owned()),
        ("opcache.enable", "1".to_owned()),
        ("sys_temp_dir", folder(TEMPORARY)),
        ("upload_tmp_dir", folder(TEMPORARY)),
        ("session.save_path", folder(SESSIONS)),
        // Debian leaves the removal of old sessions to a timer that knows its own folder alone.
        ("session.gc_probability", "1".to_owned()),
    ];
    if let Some(socket) = &settings.mysql_socket {
        // So that "localhost" is the site's database for whatever an application connects with.
        for name in ["mysqli.default_socket", "pdo_mysql.default_socket"] {
            ini.push((name, quoted(socket)));
        }
    }
    ini
}

/// php-fpm's configuration, for a socket.
pub(super) fn conf(settings: &Settings, socket: &Path) -> String {
    let Settings { children, state, .. } = settings;
    let requests = settings.requests_max.unwrap_or(0);
    let slow_s = settings.slow_after.as_secs().max(1);
    format!(
        "; Written by davy at each start.\n\
         [global]\n\
         daemonize = no\n\
         error_log = /proc/self/fd/2\n\
         log_level = warning\n\
         log_limit = 8192\n\
         process_control_timeout = {CONTROL_TIMEOUT_S}s\n\
         \n\
         [site]\n\
         listen = {socket}\n\
         listen.mode = 0600\n\
         pm = static\n\
         pm.max_children = {children}\n\
         pm.max_requests = {requests}\n\
         clear_env = no\n\
         catch_workers_output = yes\n\
         decorate_workers_output = no\n\
         request_terminate_timeout = 0\n\
         request_slowlog_timeout = {slow_s}s\n\
         slowlog = {slowlog}\n\
         security.limit_extensions = .php\n",
        socket = quoted(socket),
        slowlog = quoted(&state.join(SLOW_LOG)),
    )
}

/// A path as a value of php.ini and of php-fpm's configuration, which have the same grammar.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$"))
}

/// Folders of a site's PHP, below its state.
pub(super) const TEMPORARY: &str = "tmp";
pub(super) const SESSIONS: &str = "sessions";
const SLOW_LOG: &str = "slow.log";
/// Longer than davy itself waits for the end.
const CONTROL_TIMEOUT_S: u32 = 60;
