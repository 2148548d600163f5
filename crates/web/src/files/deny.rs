//! What a folder's `.htaccess` forbids. PHP applications keep data, settings and uploads below their
//! root, and have relied on Apache to deny them for thirty years. Pure.
//!
//! Read is just that: who denies a whole folder, who turns scripts off in it, and who sends what does
//! not exist to an `index.php`. All else in such a file counts for nothing here.

/// What a folder says of itself and all that lies below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rules {
    /// Who may see what lies in it. None: as the folder above has it.
    pub(super) access: Option<Access>,
    /// Scripts in it are not run.
    pub(super) no_scripts: bool,
    /// What does not exist is answered by its `index.php`.
    pub(super) front: bool,
}

/// Who may see what lies in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Granted,
    Denied,
}

/// Reads the text of an `.htaccess`.
pub(super) fn read(text: &[u8]) -> Rules {
    let mut rules = Rules::default();
    // Sections that hold for some files only, the innermost last.
    let mut sections: Vec<Section> = Vec::new();
    for line in String::from_utf8_lossy(text).lines().take(LINES_MAX) {
        let line = line.trim().to_ascii_lowercase();
        if line.starts_with("</") {
            sections.pop();
        } else if line.starts_with('<') {
            if sections.len() >= SECTIONS_MAX {
                return Rules { access: Some(Access::Denied), ..rules };
            }
            sections.push(Section::of(&line));
        } else {
            rules.take(&line, &sections);
        }
    }
    rules
}

/// What a section of Apache's holds for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    /// Whatever is asked for: `<IfModule …>` and the like.
    All,
    /// Scripts, by their name.
    Scripts,
    /// Something else: other files, methods, conditions.
    Other,
}

impl Section {
    fn of(line: &str) -> Section {
        match line.trim_start_matches('<').split([' ', '\t', '>']).next() {
            Some("ifmodule" | "ifdefine" | "ifversion" | "requireall" | "requireany") => {
                Section::All
            }
            Some("files" | "filesmatch") if line.contains("ph") => Section::Scripts,
            _ => Section::Other,
        }
    }
}

impl Rules {
    fn take(&mut self, line: &str, sections: &[Section]) {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let access = match words[..] {
            ["deny", "from", "all", ..] | ["require", "all", "denied"] => Some(Access::Denied),
            ["allow", "from", "all", ..] | ["require", "all", "granted"] => Some(Access::Granted),
            _ => None,
        };
        let widest = sections.iter().fold(Section::All, |widest, section| match widest {
            Section::All => *section,
            narrow => narrow,
        });
        match (widest, access) {
            // Of several in a row the strictest counts: `Order` and who comes first are not read.
            (Section::All, Some(Access::Granted)) => {
                self.access.get_or_insert(Access::Granted);
            }
            (Section::All, Some(Access::Denied)) => self.access = Some(Access::Denied),
            (Section::Scripts, Some(Access::Denied)) => self.no_scripts = true,
            _ => {}
        }
        match words[..] {
            ["php_flag" | "php_admin_flag", "engine", "off" | "0"] => self.no_scripts = true,
            ["sethandler", "none" | "default-handler"] | ["removehandler", ..]
                if widest != Section::Other =>
            {
                self.no_scripts |= line.contains("none")
                    || line.contains("default-handler")
                    || line.contains("ph");
            }
            ["rewriterule", _, target, ..] if widest == Section::All => {
                let target = target.split('?').next().unwrap_or_default();
                self.front |= target == "index.php" || target.ends_with("/index.php");
            }
            _ => {}
        }
    }
}

const LINES_MAX: usize = 2_000;
const SECTIONS_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn access(text: &str) -> Option<Access> {
        read(text.as_bytes()).access
    }

    #[test]
    fn folders_deny_themselves_in_the_words_of_both_apaches() {
        for text in [
            "Deny from all",
            "order deny,allow\r\ndeny from all\r\n",
            "Require all denied\n",
            "<IfModule mod_authz_core.c>\n  Require all denied\n</IfModule>\n\
             <IfModule !mod_authz_core.c>\n  Deny from all\n</IfModule>\n",
            "# nothing to see\n<IfVersion >= 2.4>\n\tREQUIRE ALL DENIED\n</IfVersion>",
        ] {
            assert_eq!(access(text), Some(Access::Denied), "{text}");
        }
        assert_eq!(access("Allow from all"), Some(Access::Granted));
        assert_eq!(access("Options -Indexes\n# Deny from all"), None);
    }

    #[test]
    fn what_is_denied_of_some_files_does_not_deny_the_folder() {
        let wordpress = "<FilesMatch \"^wp-config\\.php\">\nDeny from all\n</FilesMatch>";
        assert_eq!(access(wordpress), None);
        assert_eq!(access("<Limit PUT DELETE>\nRequire all denied\n</Limit>\n"), None);
        let nested = "<IfModule a>\n<Files secret>\n<IfModule b>\nRequire all denied\n";
        assert_eq!(access(nested), None);
    }

    #[test]
    fn folders_of_uploads_turn_scripts_off() {
        for text in [
            "<FilesMatch \"\\.(php|phtml)$\">\nRequire all denied\n</FilesMatch>",
            "<Files *.php>\ndeny from all\n</Files>",
            "php_flag engine off",
            "<IfModule mod_php.c>\nphp_flag engine 0\n</IfModule>",
            "RemoveHandler .php .phtml",
            "SetHandler none",
        ] {
            let rules = read(text.as_bytes());
            assert!(rules.no_scripts && rules.access.is_none(), "{text}: {rules:?}");
        }
        assert!(!read(b"RemoveHandler .cgi").no_scripts);
    }

    #[test]
    fn a_folder_says_that_it_has_a_front_controller() {
        let wordpress = "<IfModule mod_rewrite.c>\nRewriteEngine On\nRewriteBase /blog/\n\
                         RewriteRule ^index\\.php$ - [L]\nRewriteCond %{REQUEST_FILENAME} !-f\n\
                         RewriteRule . /blog/index.php [L]\n</IfModule>";
        assert!(read(wordpress.as_bytes()).front);
        assert!(read(b"RewriteRule ^(.*)$ index.php?q=$1 [L,QSA]").front);
        assert!(!read(b"RewriteRule ^old$ /new [R]").front);
    }

    #[test]
    fn sections_without_an_end_are_held_to_a_limit() {
        let rules = read("<Files x>\n".repeat(1_000).as_bytes());
        assert_eq!(rules.access, Some(Access::Denied));
    }
}
