//! The environment of a site's processes. Pure: nothing here reads or changes davy's own.

use std::collections::BTreeMap;

use flow::control::Access;

/// How a URL names a database on a socket: the words differ by who reads it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UrlForm {
    /// `mysql://…?unix_socket=…`
    #[default]
    Mysql,
    /// `mysql2://…?socket=…`: Ruby's mysql2, under Rails and Sequel.
    Mysql2,
    /// `trilogy://…?socket=…`: Ruby's trilogy.
    Trilogy,
}

impl UrlForm {
    /// The scheme, and the name of the socket's parameter.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            UrlForm::Mysql => ("mysql", "unix_socket"),
            UrlForm::Mysql2 => ("mysql2", "socket"),
            UrlForm::Trilogy => ("trilogy", "socket"),
        }
    }
}

/// The variables added to what a site's processes inherit: davy's, then the site's own from its
/// settings, which win.
pub fn environment(
    settings: &BTreeMap<String, String>,
    database: Option<&Access>,
    form: UrlForm,
) -> Vec<(String, String)> {
    let mut all = BTreeMap::from([("PYTHONUNBUFFERED".to_owned(), "1".to_owned())]);
    all.extend(database.into_iter().flat_map(|access| database_variables(access, form)));
    all.extend(settings.clone());
    all.into_iter().collect()
}

fn database_variables(access: &Access, form: UrlForm) -> [(String, String); 7] {
    let socket = access.socket.to_string_lossy();
    let pairs = [
        ("DATABASE_URL", database_url(access, form)),
        // Drivers take the socket when they are given one; the port is there for those who ask.
        ("MYSQL_HOST", "localhost".to_owned()),
        ("MYSQL_PORT", "3306".to_owned()),
        ("MYSQL_USER", access.user.clone()),
        ("MYSQL_PASSWORD", access.password.clone()),
        ("MYSQL_DATABASE", access.database.clone()),
        ("MYSQL_UNIX_SOCKET", socket.into_owned()),
    ];
    pairs.map(|(name, value)| (name.to_owned(), value))
}

/// `mysql://user:password@localhost/database?unix_socket=/absolute/path`.
fn database_url(access: &Access, form: UrlForm) -> String {
    let (scheme, socket) = form.words();
    format!(
        "{scheme}://{}:{}@localhost/{}?{socket}={}",
        encoded(&access.user, ""),
        encoded(&access.password, ""),
        encoded(&access.database, ""),
        encoded(&access.socket.to_string_lossy(), "/"),
    )
}

/// Percent-encodes all but RFC 3986's unreserved characters and `also`.
fn encoded(text: &str, also: &str) -> String {
    let mut url = String::with_capacity(text.len());
    for byte in text.bytes() {
        let c = char::from(byte);
        if c.is_ascii_alphanumeric() || "-._~".contains(c) || also.contains(c) {
            url.push(c);
        } else {
            url += &format!("%{byte:02X}");
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> Access {
        Access {
            server: "MariaDB 10.11".to_owned(),
            socket: "/home/Ada L/.davy/run/mysql.sock".into(),
            database: "guest book".to_owned(),
            user: "u@x".to_owned(),
            password: "p:/é".to_owned(),
        }
    }

    #[test]
    fn database_is_told_as_a_url_and_in_parts() {
        let all: BTreeMap<_, _> =
            environment(&BTreeMap::new(), Some(&access()), UrlForm::Mysql).into_iter().collect();
        assert_eq!(
            all["DATABASE_URL"],
            "mysql://u%40x:p%3A%2F%C3%A9@localhost/guest%20book\
             ?unix_socket=/home/Ada%20L/.davy/run/mysql.sock"
        );
        assert_eq!(all["MYSQL_UNIX_SOCKET"], "/home/Ada L/.davy/run/mysql.sock");
        let parts =
            ["HOST", "PORT", "USER", "PASSWORD", "DATABASE"].map(|n| &all[&format!("MYSQL_{n}")]);
        assert_eq!(parts, ["localhost", "3306", "u@x", "p:/é", "guest book"]);
        assert_eq!(all["PYTHONUNBUFFERED"], "1");
    }

    #[test]
    fn url_has_the_words_of_who_reads_it() {
        let begins_and_ends = |form, scheme: &str, socket: &str| {
            let url = database_url(&access(), form);
            assert!(url.starts_with(scheme) && url.contains(socket), "{url}");
        };
        begins_and_ends(UrlForm::Mysql2, "mysql2://u%40x:", "?socket=/home/Ada%20L/");
        begins_and_ends(UrlForm::Trilogy, "trilogy://u%40x:", "?socket=/home/Ada%20L/");
    }

    #[test]
    fn own_variables_of_the_site_win() {
        let settings = BTreeMap::from([
            ("DATABASE_URL".to_owned(), "mysql://elsewhere/".to_owned()),
            ("COLOUR".to_owned(), "red".to_owned()),
        ]);
        let all: BTreeMap<_, _> =
            environment(&settings, Some(&access()), UrlForm::Mysql).into_iter().collect();
        assert_eq!(all["DATABASE_URL"], "mysql://elsewhere/");
        assert_eq!(all["COLOUR"], "red");
        let alone = environment(&BTreeMap::new(), None, UrlForm::Mysql);
        assert_eq!(alone, [("PYTHONUNBUFFERED".to_owned(), "1".to_owned())]);
    }
}
