//! raw → Config: every value is looked at, every problem is reported, defaults are filled in.
//!
//! One function per name of davy.toml. A value with a problem is left at its default; nobody sees
//! that, for a file with a problem yields no Config.

mod address;
mod app;
mod database;
mod folder;
mod host;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;

use crate::problems::{Fault, Problems};
use crate::raw::{self, Addresses};
use crate::suggest::is_variable_name;
use crate::{Config, Db, Engine, Table};

/// Checks a file that stands in `folder`.
pub(crate) fn check(file: raw::File, folder: &Path, problems: &mut Problems<'_>) -> Config {
    // Else the domain may stand in a line that could not be read.
    let nothing_lost = problems.is_empty();
    let mut checked = Checked { problems };
    let domain = checked.value(file.domain.as_ref(), |text| host::host("`domain`", text));
    if nothing_lost && file.domain.is_none() {
        checked.needs_domain(&file);
    }
    Config {
        aliases: checked.aliases(file.aliases.unwrap_or_default(), domain.as_deref()),
        domain,
        address: checked.addresses(file.address),
        app: checked.value(file.app.as_ref(), app::app),
        root: checked.value(file.root.as_ref(), |text| folder::root(text, folder)),
        workers: checked.workers(file.workers.as_ref()),
        db: checked.db(file.db.as_ref(), file.env.as_ref()),
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

    fn workers(&mut self, written: Option<&Spanned<i64>>) -> Option<u16> {
        let written = written?;
        let workers = u16::try_from(*written.get_ref()).ok();
        let workers = workers.filter(|workers| (1..=WORKERS_MAX).contains(workers));
        if workers.is_none() {
            let message = format!("`workers` must lie between 1 and {WORKERS_MAX}");
            let help = "a small number is a good start, such as 4; without the line davy chooses";
            self.problems.add(written.span(), message, help);
        }
        workers
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

#[cfg(test)]
mod tests;
