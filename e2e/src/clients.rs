//! The real clients: curl, dig and MariaDB's own.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A program on the PATH, or among root's; one that is not there fails the test and says which package has it.
pub fn tool(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let found = folders.map(|folder| folder.join(name)).find(|it| it.is_file());
    found.unwrap_or_else(|| {
        let package = PACKAGES.iter().find(|(tool, _)| *tool == name);
        let package = package.map_or(name, |(_, package)| package);
        panic!("{name} is not on the PATH; install it: apt-get install {package}")
    })
}

fn run(command: &mut Command) -> Output {
    let ran = command.stdin(Stdio::null()).output();
    ran.unwrap_or_else(|error| panic!("{}: {error}", command.get_program().display()))
}

/// An answer over HTTP.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Status line and header fields.
    pub head: String,
    /// The content.
    pub content: Vec<u8>,
}

impl Answer {
    /// The value of a header field.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The content as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.content).into_owned()
    }

    /// Takes curl's `--include` output apart. Interim answers (100 Continue) come before the last.
    fn of(mut output: &[u8]) -> Option<Answer> {
        loop {
            let end = output.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
            let head = String::from_utf8_lossy(&output[..end]).into_owned();
            let status = head.split(' ').nth(1)?.parse().ok()?;
            output = &output[end + 4..];
            if status >= 200 {
                return Some(Answer { status, head, content: output.to_vec() });
            }
        }
    }
}

/// Gets a URL.
pub fn curl(url: &str) -> Answer {
    curl_args(&[url])
}

/// Runs curl with these arguments; it must get an answer, be it a refusal.
pub fn curl_args<S: AsRef<OsStr>>(arguments: &[S]) -> Answer {
    let mut command = Command::new(tool("curl"));
    command.args(["--silent", "--show-error", "--include", "--noproxy", "*", "--max-time", "60"]);
    let ran = run(command.args(arguments));
    let answer = Answer::of(&ran.stdout).filter(|_| ran.status.success());
    answer.unwrap_or_else(|| {
        let said = String::from_utf8_lossy(&ran.stderr);
        panic!("curl {:?}: {said}", arguments.iter().map(AsRef::as_ref).collect::<Vec<_>>())
    })
}

/// Gets many URLs, so many at a time: the status and the seconds of each.
pub fn curl_many(urls: &str, at_a_time: usize) -> Vec<(u16, f64)> {
    let at_a_time = at_a_time.to_string();
    let how = ["--silent", "--noproxy", "*", "--max-time", "60", "--parallel", "--parallel-max"];
    let what = ["--output", "/dev/null", "--write-out", "%{http_code} %{time_total}\n", urls];
    let ran = run(Command::new(tool("curl")).args(how).arg(at_a_time).args(what));
    let line = |line: &str| {
        let (status, seconds) = line.split_once(' ')?;
        Some((status.parse().ok()?, seconds.parse().ok()?))
    };
    let text = String::from_utf8_lossy(&ran.stdout);
    text.lines().map(|read| line(read).unwrap_or_else(|| panic!("curl wrote {read:?}"))).collect()
}

/// An answer over DNS, as dig shows it.
#[derive(Clone, Debug)]
pub struct Dig {
    /// `NOERROR`, `NXDOMAIN`, `REFUSED` …
    pub status: String,
    /// The header's flags, such as `qr aa rd`.
    pub flags: String,
    /// The question, as it came back.
    pub question: String,
    /// The records of the answer section, with single spaces.
    pub answer: Vec<String>,
    /// The records of the authority section.
    pub authority: Vec<String>,
    /// All that dig printed.
    pub text: String,
}

/// Asks a name server; `words` are dig's own, such as `["www.foobar.com", "A", "+tcp"]`.
pub fn dig(server: SocketAddr, words: &[&str]) -> Dig {
    let mut command = Command::new(tool("dig"));
    command.arg(format!("@{}", server.ip())).args(["-p", &server.port().to_string()]);
    let ran = run(command.args(["+time=5", "+tries=1", "+norecurse"]).args(words));
    let text = String::from_utf8_lossy(&ran.stdout).into_owned();
    let after = |mark: &str, end: char| {
        let rest = text.split(mark).nth(1).and_then(|rest| rest.split(end).next());
        rest.unwrap_or_else(|| panic!("dig {words:?}: {text}")).trim().to_owned()
    };
    Dig {
        status: after("status: ", ','),
        flags: after("flags: ", ';'),
        question: after(";; QUESTION SECTION:\n;", '\n'),
        answer: records(&text, "ANSWER"),
        authority: records(&text, "AUTHORITY"),
        text,
    }
}

fn records(text: &str, section: &str) -> Vec<String> {
    let lines = text.split(&format!(";; {section} SECTION:\n")).nth(1).unwrap_or_default().lines();
    let records = lines.take_while(|line| !line.is_empty() && !line.starts_with(';'));
    records.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// A user at a database's socket.
#[derive(Clone, Debug)]
pub struct Sql<'a> {
    /// The socket.
    pub socket: &'a Path,
    /// The user's name.
    pub user: &'a str,
    /// The password; None: none is sent.
    pub password: Option<&'a str>,
}

impl Sql<'_> {
    /// Runs a statement with MariaDB's client. The rows, with tabs between the columns, or what the
    /// client said went wrong.
    pub fn run(&self, statement: &str) -> Result<String, String> {
        let mut command = Command::new(tool("mariadb"));
        command.args(["--no-defaults", "--batch", "--skip-column-names", "--connect-timeout=10"]);
        command.args(["--default-character-set=utf8mb4", "--execute", statement]);
        command.arg("--socket").arg(self.socket).args(["--user", self.user]);
        match self.password {
            Some(password) => command.env("MYSQL_PWD", password),
            None => command.arg("--skip-password").env_remove("MYSQL_PWD"),
        };
        let ran = run(&mut command);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        if ran.status.success() { Ok(text(&ran.stdout)) } else { Err(text(&ran.stderr)) }
    }
}

/// Debian's packages of the tools whose names are not theirs.
const PACKAGES: [(&str, &str); 4] = [
    ("chromedriver", "chromium-driver"),
    ("dig", "bind9-dnsutils"),
    ("mariadb", "mariadb-client-core"),
    ("python3", "python3-venv"),
];
