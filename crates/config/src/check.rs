//! raw → Config: every value is looked at, every problem is reported, defaults are filled in.
//!
//! One function per name of davy.toml. A value with a problem is left at its default; nobody sees
//! that, for a file with a problem yields no Config.

mod address;
mod app;
mod database;
mod folder;
mod host;
mod limit;
mod schedule;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::net::IpAddr;
use std::ops::{Range, RangeInclusive};
use std::path::Path;
use std::time::Duration;

use toml::Spanned;

use crate::problems::{Fault, Problems};
use crate::raw::{self, Addresses};
use crate::suggest::is_variable_name;
use crate::{Config, Db, Engine, Limits, Table};

/// Checks a file that stands in `folder`.
pub(crate) fn check(file: raw::File, folder: &Path, problems: &mut Problems<'_>) -> Config {
    // Else the domain may stand in a line that could not be read.
    let nothing_lost = problems.is_empty();
    let mut checked = Checked { problems };
    let domain = checked.value(file.domain.as_ref(), |text| host::host("`domain`", text));
    if nothing_lost && file.domain.is_none() {
        checked.needs_domain(&file);
    }
    // Those that take the file's values with them come last.
    Config {
        command: checked.command(&file),
        app: checked.value(file.app.as_ref(), app::app),
        root: checked.value(file.root.as_ref(), |text| folder::root(text, folder)),
        workers_max: checked.workers_max(&file),
        workers: checked.number("workers", file.workers.as_ref(), 0..=WORKERS_MAX),
        threads: checked.number("threads", file.threads.as_ref(), 1..=THREADS_MAX),
        limits: checked.limits(file.limits.as_ref()),
        db: checked.db(file.db.as_ref(), file.env.as_ref()),
        aliases: checked.aliases(file.aliases.unwrap_or_default(), domain.as_deref()),
        domain,
        address: checked.addresses(file.address),
        jobs: checked.named(file.jobs.unwrap_or_default(), app::command),
        cron: checked.named(file.cron.unwrap_or_default(), schedule::cron),
        env: checked.env(file.env.unwrap_or_default()),
    }
}

struct Checked<'p, 'a> {
    problems: &'p mut Problems<'a>,
}

impl Checked<'_, '_> {
    /// A text's value, by the function that knows it.
    fn value<T>(
        &mut self,
        text: Option<&Spanned<String>>,
        read: impl FnOnce(&str) -> Result<T, Fault>,
    ) -> Option<T> {
        let text = text?;
        read(text.get_ref()).map_err(|fault| self.fault(text.span(), fault)).ok()
    }

    fn fault(&mut self, span: Range<usize>, fault: Fault) {
        self.problems.add(span, fault.message, fault.help);
    }

    /// Both are facts about the domain; without one they would be silently without effect.
    fn needs_domain(&mut self, file: &raw::File) {
        let aliases = file.aliases.as_ref().and_then(|aliases| aliases.first());
        let aliases = aliases.map(|first| ("aliases", first.span()));
        let address = file.address.as_ref().map(|address| ("address", address.span()));
        for (name, span) in [aliases, address].into_iter().flatten() {
            let message = format!("`{name}` needs a `domain`, and there is none");
            self.problems.add(span, message, "add a line such as `domain = \"www.foobar.com\"`");
        }
    }

    fn aliases(&mut self, written: Vec<Spanned<String>>, domain: Option<&str>) -> Vec<String> {
        let mut aliases: Vec<String> = Vec::new();
        let mut seen = BTreeSet::new();
        for text in written {
            let Some(alias) = self.value(Some(&text), |text| host::host("an alias", text)) else {
                continue;
            };
            if Some(alias.as_str()) == domain {
                let message = format!("`{alias}` is the `domain` already");
                self.problems.add(text.span(), message, "remove it from `aliases`");
            } else if !seen.insert(alias.clone()) {
                let message = format!("`{alias}` is written twice");
                self.problems.add(text.span(), message, "remove one of them");
            } else {
                aliases.push(alias);
            }
        }
        aliases
    }

    fn addresses(&mut self, written: Option<Spanned<Addresses>>) -> Vec<IpAddr> {
        let Some(written) = written else { return Vec::new() };
        let span = written.span();
        let texts = match written.into_inner() {
            Addresses::One(text) => vec![Spanned::new(span, text)],
            Addresses::Many(texts) => texts,
        };
        let mut addresses = Vec::new();
        let mut seen = BTreeSet::new();
        for text in texts {
            let Some(ip) = self.value(Some(&text), address::address) else { continue };
            if seen.insert(ip) {
                addresses.push(ip);
            } else {
                self.problems.add(
                    text.span(),
                    format!("{ip} is written twice"),
                    "remove one of them",
                );
            }
        }
        addresses
    }

    /// A number that must lie between two others.
    fn number<T: TryFrom<i64> + PartialOrd + Display>(
        &mut self,
        name: &str,
        written: Option<&Spanned<i64>>,
        range: RangeInclusive<T>,
    ) -> Option<T> {
        let written = written?;
        let number = T::try_from(*written.get_ref()).ok().filter(|number| range.contains(number));
        if number.is_none() {
            let (least, most) = (range.start(), range.end());
            let message = format!("`{name}` must lie between {least} and {most}");
            let help = "a small number is a good start; without the line davy chooses";
            self.problems.add(written.span(), message, help);
        }
        number
    }

    fn workers_max(&mut self, file: &raw::File) -> Option<u16> {
        let written = file.workers_max.as_ref();
        let most = self.number("workers_max", written, 1..=WORKERS_MAX)?;
        let least = file.workers.as_ref().map(|workers| *workers.get_ref());
        if let (Some(least), Some(written)) = (least.filter(|n| *n > i64::from(most)), written) {
            let message = format!("`workers_max` is {most}, and `workers` is {least}");
            let help = "`workers` is the least and `workers_max` the most; without the line they \
                        are the same";
            self.problems.add(written.span(), message, help);
        }
        Some(most)
    }

    fn command(&mut self, file: &raw::File) -> Option<String> {
        let command = self.value(file.command.as_ref(), app::command);
        let app = file.app.as_ref();
        if let (Some(command), Some(app)) = (&file.command, app)
            && !["command", "node"].contains(&app.get_ref().as_str())
        {
            let message = format!("`command` contradicts `app = \"{}\"`", app.get_ref());
            self.problems.add(command.span(), message, "keep one of the two lines");
        } else if let (None, Some(app)) = (&file.command, app)
            && app.get_ref() == "command"
        {
            let help = "add a line such as `command = \"node server.js\"`";
            self.problems.add(app.span(), "there is no `command`", help);
        }
        command
    }

    fn limits(&mut self, written: Option<&raw::Limits>) -> Limits {
        let Some(written) = written else { return Limits::default() };
        let usual = Limits::default();
        let mut time = |name, written: &Option<Spanned<String>>, least| {
            self.value(written.as_ref(), |text| limit::time(name, text, least))
        };
        let (request, wait) =
            (time("request", &written.request, SECOND), time("wait", &written.wait, SECOND));
        let (age, idle) =
            (time("age", &written.age, 60 * SECOND), time("idle", &written.idle, SECOND));
        let waiting = self.number("waiting", written.waiting.as_ref(), 1..=100_000);
        let requests = self.number("requests", written.requests.as_ref(), 0..=100_000_000);
        Limits {
            request: request.unwrap_or(usual.request),
            waiting: waiting.unwrap_or(usual.waiting),
            wait: wait.unwrap_or(usual.wait),
            requests: requests.filter(|requests| *requests > 0),
            age,
            memory: self.value(written.memory.as_ref(), |text| limit::size("memory", text)),
            idle: idle.unwrap_or(usual.idle),
        }
    }

    /// A table of jobs, by their names.
    fn named<T>(
        &mut self,
        written: Variables,
        read: impl Fn(&str) -> Result<T, Fault>,
    ) -> BTreeMap<String, T> {
        let mut named = BTreeMap::new();
        for (name, text) in written {
            self.value(Some(&name), schedule::name);
            let value = self.value(Some(&text), &read);
            named.extend(value.map(|value| (name.into_inner(), value)));
        }
        named
    }

    fn env(
        &mut self,
        written: BTreeMap<Spanned<String>, Spanned<String>>,
    ) -> BTreeMap<String, String> {
        let mut env = BTreeMap::new();
        for (name, value) in written {
            if !is_variable_name(name.get_ref()) {
                let message = format!("`{}` can't be the name of a variable", name.get_ref());
                let help = "use letters, digits and `_`, and no digit in front";
                self.problems.add(name.span(), message, help);
            } else if value.get_ref().contains('\0') {
                let message = format!("the value of `{}` holds a NUL character", name.get_ref());
                self.problems.add(value.span(), message, "remove it: no program could receive it");
            }
            env.insert(name.into_inner(), value.into_inner());
        }
        env
    }

    fn db(&mut self, written: Option<&raw::Db>, env: Option<&Variables>) -> Db {
        let Some(written) = written else { return Db::default() };
        let engine = self.value(written.engine.as_ref(), database::engine);
        let url = self.value(written.url.as_ref(), database::url);
        let relay = self.value(written.relay.as_ref(), database::relay).unwrap_or_default();
        if let (Some(engine @ (Engine::Mariadb | Engine::None)), Some(url)) = (engine, &written.url)
        {
            let engine = if engine == Engine::None { "none" } else { "mariadb" };
            let help = "remove `engine` to use the database at that URL, or remove `url`";
            let message = format!("`url` contradicts `engine = \"{engine}\"`");
            self.problems.add(url.span(), message, help);
        }
        let variable = env.and_then(|env| env.keys().find(|name| name.get_ref() == "DATABASE_URL"));
        if let (Some(variable), true) = (variable, url.is_some() || engine == Some(Engine::Mariadb))
        {
            let message = "`DATABASE_URL` is set here, but `[db]` sets it too";
            self.problems.add(variable.span(), message, "keep one of them");
        }
        Db { engine: engine.unwrap_or_default(), url, relay, table: Table::Written }
    }
}

type Variables = BTreeMap<Spanned<String>, Spanned<String>>;

const WORKERS_MAX: u16 = 512;
const THREADS_MAX: u16 = 64;
const SECOND: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
