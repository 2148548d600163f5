//! davy.toml as it is written: one field per name, nothing checked but its type.
//!
//! The doc comments here are the manual. Each ends with a paragraph `Default: …`; the example
//! stands in the attribute. [`crate::reference()`] and [`crate::schema()`] are made of both, so
//! write for the person who edits the file. No serde `flatten` or `untagged`: they lose spans and
//! messages.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{SeqAccess, Visitor};
use toml::Spanned;

/// davy.toml describes one site. Every name in it is optional, and so is the file.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    /// The site's main name, as visitors type it: a host name without `https://`, port or path.
    /// Names with letters such as `ü` are written in their `xn--` form.
    ///
    /// Default: `NAME.localhost`, after the folder's name: browsers find it on this machine.
    #[schemars(with = "Option<String>", extend("examples" = ["www.foobar.com"]))]
    pub(crate) domain: Option<Spanned<String>>,

    /// Further names of the same site, each written like `domain`. They need a `domain`.
    ///
    /// Default: none.
    #[schemars(with = "Option<Vec<String>>", extend("examples" = [["foobar.com"]]))]
    pub(crate) aliases: Option<Vec<Spanned<String>>>,

    /// The IP addresses of the server, IPv4 and IPv6, one or a list of them. Davy's DNS server
    /// answers with them when it is asked for `domain` or one of the `aliases`.
    ///
    /// Default: 127.0.0.1, this machine.
    #[schemars(with = "Option<Addresses>", extend("examples" = [["203.0.113.10", "2001:db8::10"]]))]
    pub(crate) address: Option<Spanned<Addresses>>,

    /// What runs the site's code. A word names what lies in the folder. Python: `"django"`,
    /// `"flask"`, `"fastapi"`, `"starlette"`, `"wsgi"`, `"asgi"`. PHP: `"wordpress"`, `"laravel"`,
    /// `"symfony"`, `"php"`. Ruby: `"rails"`, `"sinatra"`, `"rack"`, and `"puma"`, which runs the
    /// site's own Puma. `"node"` is the start script of package.json, `"command"` what `command`
    /// says. `"static"` serves files and runs nothing.
    ///
    /// A WSGI or ASGI application can also be named, as `"module:callable"`:
    /// `"shop.wsgi:application"` is the object `application` in `shop/wsgi.py`;
    /// `"shop:create_app()"` is what that function returns. A URL, as
    /// `"http://127.0.0.1:3000"`, is a server that somebody else runs: requests are passed on to it.
    ///
    /// Default: davy looks at the folder, and says what it found.
    #[schemars(with = "Option<String>", extend("examples" = ["flask"]))]
    pub(crate) app: Option<Spanned<String>>,

    /// What to start as the site's own server, for any language. It listens for HTTP on the port
    /// in the variable `PORT`, at 127.0.0.1, or on the UNIX socket in `SOCKET`.
    ///
    /// Default: none; a `web:` line in a Procfile, or the start script of package.json, if davy
    /// finds one of them.
    #[schemars(with = "Option<String>", extend("examples" = ["node server.js"]))]
    pub(crate) command: Option<Spanned<String>>,

    /// The folder of files that are served as they are: pictures, stylesheets, pages. It lies
    /// inside the project; dotfiles, `davy.toml` and the application's code are never served from
    /// it.
    ///
    /// Default: `public`, if there is such a folder.
    #[schemars(with = "Option<String>", extend("examples" = ["public"]))]
    pub(crate) root: Option<Spanned<String>>,

    /// How many worker processes run the application: that many requests are worked on at a time,
    /// further ones wait in the queue. With 0 the first request starts one, and it ends when it has
    /// had nothing to do for a while (`idle` in `[limits]`): for sites that are rarely visited.
    ///
    /// Default: one for each CPU, 16 at most.
    #[schemars(with = "Option<u16>", range(min = 0, max = 512), extend("examples" = [4]))]
    pub(crate) workers: Option<Spanned<i64>>,

    /// How many worker processes there may be while requests have to wait; they end again when
    /// they are not needed. It is at least `workers`.
    ///
    /// Default: as many as `workers`; one for each CPU with `workers = 0`.
    #[schemars(with = "Option<u16>", range(min = 1, max = 512), extend("examples" = [16]))]
    pub(crate) workers_max: Option<Spanned<i64>>,

    /// How many requests one worker process works on at a time, each in a thread of its own: for
    /// applications that wait a lot for others. WSGI and Rack only: an ASGI application takes many
    /// at a time by itself, PHP one.
    ///
    /// Default: 1.
    #[schemars(with = "Option<u16>", range(min = 1, max = 64), extend("examples" = [4]))]
    pub(crate) threads: Option<Spanned<i64>>,

    /// Variables for the application's environment, one per line. Values are text, so numbers are
    /// written in quotes too. Passwords and keys are better kept in `.env`, outside of version
    /// control; where both set a variable, `[env]` wins.
    ///
    /// Default: empty.
    #[schemars(
        with = "Option<BTreeMap<String, String>>",
        extend("examples" = [{"TZ": "Europe/Berlin"}])
    )]
    pub(crate) env: Option<BTreeMap<Spanned<String>, Spanned<String>>>,

    /// Programs that run beside the application as long as it does, each with a name: queue workers
    /// such as Celery, Sidekiq or `queue:work`. They have the application's environment, and `sh`
    /// reads the command. One that ends is started again; at the end of davy it gets SIGTERM.
    ///
    /// Default: none; the lines of a Procfile other than `web:`, if there is one.
    #[schemars(
        with = "Option<BTreeMap<String, String>>",
        extend("examples" = [{"emails": "celery -A shop worker"}])
    )]
    pub(crate) jobs: Option<BTreeMap<Spanned<String>, Spanned<String>>>,

    /// Commands that run at times, each with a name: when, as crontab(5) has it, then what. The
    /// fields are minute, hour, day of the month, month and day of the week; `@hourly`, `@daily`,
    /// `@weekly`, `@monthly` and `@yearly` stand for them. The time zone is that of `TZ` in `[env]`,
    /// else the machine's; `CRON_TZ=Europe/Berlin` before the time names another. A command that
    /// still runs is not started a second time. One that was missed in the last 24 hours, as davy
    /// did not run, is made up once.
    ///
    /// Default: none.
    #[schemars(
        with = "Option<BTreeMap<String, String>>",
        extend("examples" = [{"sessions": "0 3 * * * python manage.py clearsessions"}])
    )]
    pub(crate) cron: Option<BTreeMap<Spanned<String>, Spanned<String>>>,

    /// Limits on the application. Times are written as `"30s"`, `"5m"`, `"2h"` or `"1d"`, sizes as
    /// `"512MB"` or `"2GB"`.
    ///
    /// Default: those below.
    #[schemars(with = "Option<Limits>", extend("examples" = [{"request": "60s"}]))]
    pub(crate) limits: Option<Limits>,

    /// The application's database.
    ///
    /// Default: as if it were written with `engine = "auto"`, but a `[db]` table, even an empty
    /// one, says that the site needs a database.
    #[schemars(with = "Option<Db>", extend("examples" = [{"engine": "mariadb"}]))]
    pub(crate) db: Option<Db>,
}

/// The table `[limits]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    /// How long the application may take until its answer begins. At half of that time the
    /// worker's stack is written to the slow log; at the end the visitor gets 504, and the worker
    /// is killed and replaced. `"1s"` to `"1d"`.
    ///
    /// Default: `"60s"`.
    #[schemars(with = "Option<String>", extend("examples" = ["30s"]))]
    pub(crate) request: Option<Spanned<String>>,

    /// How many requests may wait for a worker; one more is answered 503.
    ///
    /// Default: 1000.
    #[schemars(with = "Option<u32>", range(min = 1, max = 100000), extend("examples" = [200]))]
    pub(crate) waiting: Option<Spanned<i64>>,

    /// How long a request may wait for a worker before it is answered 503. `"1s"` to `"1d"`.
    ///
    /// Default: `"30s"`.
    #[schemars(with = "Option<String>", extend("examples" = ["10s"]))]
    pub(crate) wait: Option<Spanned<String>>,

    /// After how many requests a worker is replaced, a tenth more or less. 0: never.
    ///
    /// Default: 0.
    #[schemars(with = "Option<u32>", range(min = 0, max = 100000000), extend("examples" = [10000]))]
    pub(crate) requests: Option<Spanned<i64>>,

    /// After what time a worker is replaced, a tenth more or less. `"1m"` or more.
    ///
    /// Default: never.
    #[schemars(with = "Option<String>", extend("examples" = ["12h"]))]
    pub(crate) age: Option<Spanned<String>>,

    /// How much memory a worker may have before it is replaced, once its request is done: its
    /// proportional share (PSS). `"16MB"` or more.
    ///
    /// Default: no limit.
    #[schemars(with = "Option<String>", extend("examples" = ["512MB"]))]
    pub(crate) memory: Option<Spanned<String>>,

    /// How long a worker beyond `workers` may have nothing to do before it ends. `"1s"` or more.
    ///
    /// Default: `"5m"`.
    #[schemars(with = "Option<String>", extend("examples" = ["15m"]))]
    pub(crate) idle: Option<Spanned<String>>,
}

/// The table `[db]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Db {
    /// Who runs the database. `"mariadb"`: davy runs a MariaDB for the site. `"none"`: davy runs
    /// none. `"auto"`: davy runs a MariaDB if the application's dependencies name a MySQL driver or
    /// there is a `[db]` table, unless `DATABASE_URL` is set in the environment or in `.env`.
    ///
    /// Default: `"auto"`.
    #[schemars(
        with = "Option<String>",
        extend("enum" = ["auto", "mariadb", "none"]),
        extend("examples" = ["mariadb"])
    )]
    pub(crate) engine: Option<Spanned<String>>,

    /// The URL of a database that somebody else runs; it is handed to the application as
    /// `DATABASE_URL`, and davy runs none. Any scheme will do: `mysql://`, `mariadb://`,
    /// `postgres://`, `sqlite:///`. A password is better kept in `.env`, as `DATABASE_URL` there.
    ///
    /// Default: none.
    #[schemars(with = "Option<String>", extend("examples" = ["mysql://shop@db.foobar.com/shop"]))]
    pub(crate) url: Option<Spanned<String>>,

    /// Whether davy's relay stands between the application and the MariaDB that davy runs. `"off"`:
    /// the application is given MariaDB's own socket. Each query is then some hundredths of a
    /// millisecond faster, and three things are lost: a trace shows no statements, connections are
    /// not held while MariaDB starts again, and only MariaDB itself judges who comes in.
    ///
    /// Default: `"on"`.
    #[schemars(
        with = "Option<String>",
        extend("enum" = ["on", "off"]),
        extend("examples" = ["off"])
    )]
    pub(crate) relay: Option<Spanned<String>>,
}

/// One address, or a list of them.
#[derive(Debug)]
pub(crate) enum Addresses {
    /// `"203.0.113.10"`
    One(String),
    /// `["203.0.113.10", "2001:db8::10"]`
    Many(Vec<Spanned<String>>),
}

impl<'de> Deserialize<'de> for Addresses {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrMany)
    }
}

struct OneOrMany;

impl<'de> Visitor<'de> for OneOrMany {
    type Value = Addresses;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address or a list of addresses")
    }

    fn visit_str<E>(self, one: &str) -> Result<Addresses, E> {
        Ok(Addresses::One(one.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, many: A) -> Result<Addresses, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(many)).map(Addresses::Many)
    }
}

impl JsonSchema for Addresses {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Addresses".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["string", "array"], "items": { "type": "string" } })
    }
}
