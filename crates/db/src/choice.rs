//! Whether davy runs a database for a site: decided from what was asked for, with the reason.

/// `[db] engine` in davy.toml.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// A private MariaDB if the site seems to need one.
    #[default]
    Auto,
    /// A private MariaDB.
    Mariadb,
    /// No database.
    None,
}

/// Whether davy.toml has a `[db]` table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Table {
    /// It has none.
    #[default]
    Absent,
    /// It has one, be it empty.
    Present,
}

/// A database that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Url<'a> {
    /// The address.
    pub url: &'a str,
    /// Where it was found, for people: `DATABASE_URL in .env`.
    pub found: &'a str,
}

/// All that the choice depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked<'a> {
    /// `[db] engine`.
    pub engine: Engine,
    /// Whether there is a `[db]` table.
    pub table: Table,
    /// The first address found in the environment, in `.env` or in davy.toml.
    pub url: Option<Url<'a>>,
    /// The name of a MySQL driver among the application's dependencies.
    pub driver: Option<&'a str>,
}

/// What database a site gets. `because` is printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// davy's private MariaDB.
    Private {
        /// Why.
        because: String,
    },
    /// A server that is there already.
    External {
        /// Its address; it may hold a password, and is never printed.
        url: String,
        /// Why.
        because: String,
    },
    /// None.
    None {
        /// Why.
        because: String,
    },
}

/// Chooses. What was said outright wins; under `auto` an address that is given wins over a server
/// of our own, and that runs only where something points to MySQL.
pub fn choose(asked: Asked<'_>) -> Choice {
    let private = |because: String| Choice::Private { because };
    match asked {
        Asked { engine: Engine::None, .. } => {
            Choice::None { because: "engine = \"none\" under [db]".into() }
        }
        Asked { engine: Engine::Mariadb, .. } => private("engine = \"mariadb\" under [db]".into()),
        Asked { url: Some(Url { url, found }), .. } => {
            Choice::External { url: url.into(), because: format!("{found} is set") }
        }
        Asked { table: Table::Present, .. } => private("there is a [db] table".into()),
        Asked { driver: Some(driver), .. } => {
            private(format!("{driver} is among the dependencies"))
        }
        Asked { .. } => Choice::None {
            because: "no MySQL driver is among the dependencies, and there is no [db] table".into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: Url<'_> = Url { url: "mysql://u:p@far/db", found: "DATABASE_URL in .env" };

    fn chosen(asked: Asked<'_>) -> String {
        match choose(asked) {
            Choice::Private { because } => format!("private: {because}"),
            Choice::External { because, url } => format!("{url}: {because}"),
            Choice::None { because } => format!("none: {because}"),
        }
    }

    #[test]
    fn nothing_pointing_to_mysql_means_no_database() {
        assert!(chosen(Asked::default()).starts_with("none: no MySQL driver"));
    }

    #[test]
    fn a_driver_or_a_table_means_a_private_mariadb() {
        let driver = Asked { driver: Some("PyMySQL"), ..Asked::default() };
        assert_eq!(chosen(driver), "private: PyMySQL is among the dependencies");
        let table = Asked { table: Table::Present, ..driver };
        assert_eq!(chosen(table), "private: there is a [db] table");
    }

    #[test]
    fn an_address_wins_under_auto() {
        let asked = Asked {
            url: Some(URL),
            table: Table::Present,
            driver: Some("PyMySQL"),
            ..Asked::default()
        };
        assert_eq!(chosen(asked), "mysql://u:p@far/db: DATABASE_URL in .env is set");
    }

    #[test]
    fn what_is_said_outright_wins_over_all() {
        let asked = Asked { url: Some(URL), driver: Some("PyMySQL"), ..Asked::default() };
        let mariadb = Asked { engine: Engine::Mariadb, ..asked };
        assert_eq!(chosen(mariadb), "private: engine = \"mariadb\" under [db]");
        let none = Asked { engine: Engine::None, ..asked };
        assert_eq!(chosen(none), "none: engine = \"none\" under [db]");
    }
}
