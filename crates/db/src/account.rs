//! A site's account: the name of its database and user, its password, and the SQL that makes both.
//!
//! Database and user are named alike, after the site. Most sites' names do as they are; the others
//! get a mark of eight digits, so that `a-b` and `a.b` do not meet. Whom a name belongs to is also
//! written beside its password, and a second owner is refused.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, at};
use crate::secret;

/// What is kept of a site's account, as JSON in a file of mode 0600.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Account {
    /// The site, as the keeper knows it.
    pub(crate) site: String,
    /// The database's and the user's name: 1 to 32 of `a-z0-9_`.
    pub(crate) name: String,
    /// The user's password.
    pub(crate) password: String,
}

impl Account {
    /// The account of `site` as it is kept in `folder`, or a new one, kept from now on.
    pub(crate) fn keep(folder: &Path, site: &str) -> Result<Account, Error> {
        let name = name(site);
        let file = folder.join(format!("{name}.json"));
        if let Some(text) = secret::read(&file).map_err(at(&file))? {
            let account: Account =
                serde_json::from_str(&text).map_err(|error| at(&file)(error.into()))?;
            return match account.site == site && account.name == name {
                true => Ok(account),
                false => Err(Error::Taken { database: name, owner: account.site }),
            };
        }
        let password = secret::password().map_err(at(&file))?;
        let account = Account { site: site.into(), name, password };
        let text = serde_json::to_string(&account).map_err(|error| at(&file)(error.into()))?;
        secret::write(&file, &text).map_err(at(&file))?;
        Ok(account)
    }

    /// The statements that make the account, or set right what was changed about it. Name and
    /// password consist of letters, digits and `_`: nothing in them needs quoting but `_`, which
    /// stands for any character in the name of a granted database.
    pub(crate) fn statements(&self) -> [String; 4] {
        let Account { name, password, .. } = self;
        let pattern = name.replace('_', "\\_");
        [
            format!("CREATE DATABASE IF NOT EXISTS `{name}`"),
            format!("CREATE USER IF NOT EXISTS '{name}'@'localhost' IDENTIFIED BY '{password}'"),
            format!("ALTER USER '{name}'@'localhost' IDENTIFIED BY '{password}' ACCOUNT UNLOCK"),
            format!("GRANT ALL PRIVILEGES ON `{pattern}`.* TO '{name}'@'localhost'"),
        ]
    }
}

/// The name of a site's database and user.
fn name(site: &str) -> String {
    let plain: String = site
        .chars()
        .map(|char| match char.to_ascii_lowercase() {
            char @ ('a'..='z' | '0'..='9') => char,
            _ => '_',
        })
        .take(NAME_CHARS_MAX)
        .collect();
    if plain == site && !plain.is_empty() && !is_reserved(&plain) && !is_marked(&plain) {
        return plain;
    }
    let short = &plain[..plain.len().min(NAME_CHARS_MAX - 9)];
    let short = if short.is_empty() { "site" } else { short };
    format!("{short}_{:08x}", mark(site.as_bytes()))
}

/// Names that the server or davy uses, and `test`, which MariaDB has opened to everybody in the
/// past.
fn is_reserved(name: &str) -> bool {
    let taken = ["root", "mysql", "mariadb_sys", "sys", "test", "public", "information_schema"];
    taken.contains(&name) || name == "performance_schema" || name.starts_with("davy_")
}

/// Whether a plain name looks like one that got a mark.
fn is_marked(name: &str) -> bool {
    name.rsplit_once('_').is_some_and(|(_, mark)| {
        mark.len() == 8 && mark.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// FNV-1a.
fn mark(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// The longest user name MySQL takes; MariaDB takes longer ones, but a site may move.
const NAME_CHARS_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_names_are_kept_and_others_are_marked() {
        assert_eq!(name("guestbook"), "guestbook");
        assert_eq!(name("my_shop2"), "my_shop2");
        for (site, start) in [
            ("www.foobar.com", "www_foobar_com_"),
            ("Shop", "shop_"),
            ("root", "root_"),
            ("davy_admin", "davy_admin_"),
            ("", "site_"),
            ("ünï", "_n__"),
            ("shop_0123abcd", "shop_0123abcd_"),
        ] {
            let name = name(site);
            assert!(name.starts_with(start) && is_marked(&name), "{site} -> {name}");
        }
        assert_ne!(name("a-b"), name("a.b"));
    }

    #[test]
    fn the_grant_is_for_this_very_database() {
        let account = Account { site: "a_b".into(), name: "a_b".into(), password: "f".into() };
        assert!(account.statements()[3].contains("ON `a\\_b`.* TO"));
    }

    #[test]
    fn an_account_is_kept_and_has_one_owner() {
        let folder = tempfile::tempdir().unwrap();
        let first = Account::keep(folder.path(), "shop").unwrap();
        assert_eq!(Account::keep(folder.path(), "shop").unwrap(), first);
        let file = folder.path().join("shop.json");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace("\"site\":\"shop\"", "\"site\":\"else\"")).unwrap();
        let error = Account::keep(folder.path(), "shop").unwrap_err();
        assert!(matches!(error, Error::Taken { owner, .. } if owner == "else"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn every_name_is_fit_for_sql_and_for_a_file(site in ".{0,80}") {
            let name = name(&site);
            prop_assert!((1..=32).contains(&name.len()));
            prop_assert!(name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_')));
            prop_assert!(!is_reserved(&name) || is_marked(&name));
        }
    }
}
