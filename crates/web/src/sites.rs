//! Which site a request belongs to: an immutable table of host names, swapped as a whole.

use std::borrow::Cow;
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use flow::{Job, SiteId};
use tokio::sync::mpsc;

use crate::Absent;

/// A site as the web step sees it.
#[derive(Debug)]
pub struct Site {
    /// The name the keeper gave it.
    pub id: SiteId,
    /// The host names it answers to.
    pub names: Vec<String>,
    /// Its folders of files.
    pub mounts: Vec<Mount>,
    /// The way to its queue. None: the site has no application, and a path that is no file is not
    /// found.
    pub jobs: Option<mpsc::Sender<Job>>,
    /// What was not found in the folders of late; begins empty.
    pub absent: Absent,
}

/// A folder of files, served below a path.
#[derive(Clone, Debug)]
pub struct Mount {
    /// The path it appears at: starts and ends with `/`.
    pub prefix: String,
    /// The folder; files are opened beneath it only.
    pub folder: Arc<OwnedFd>,
    /// The folder's absolute path, if it is one of PHP scripts. They have their names from the top
    /// of the site: the prefix is `/`.
    pub scripts: Option<Arc<Path>>,
}

/// All sites of a server, by host name.
#[derive(Debug, Default)]
pub struct Sites {
    sites: Vec<Arc<Site>>,
    by_name: HashMap<String, usize>,
}

impl Sites {
    /// The table of these sites. Where two sites claim the same name, the first one has it.
    pub fn new(sites: Vec<Site>) -> Sites {
        let sites: Vec<Arc<Site>> = sites.into_iter().map(Site::with_longest_mount_first).collect();
        let mut by_name = HashMap::new();
        for (index, site) in sites.iter().enumerate() {
            for name in &site.names {
                by_name.entry(canonical(name).into_owned()).or_insert(index);
            }
        }
        Sites { sites, by_name }
    }

    /// The site for the value of a Host field. When there is exactly one site, every host reaches
    /// it (`davy up`).
    pub(crate) fn find(&self, host: Option<&str>) -> Option<&Arc<Site>> {
        match &self.sites[..] {
            [only] => Some(only),
            sites => sites.get(*self.by_name.get(&*canonical(host?))?),
        }
    }
}

impl Site {
    fn with_longest_mount_first(mut self) -> Arc<Site> {
        self.mounts.sort_by_key(|mount| std::cmp::Reverse(mount.prefix.len()));
        Arc::new(self)
    }
}

/// A host name without its port and final dot, in lower case.
fn canonical(host: &str) -> Cow<'_, str> {
    let name = match host.rfind(':') {
        // In `[::1]` the colon belongs to the address.
        Some(colon) if !host[colon..].contains(']') => &host[..colon],
        _ => host,
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

#[cfg(test)]
mod tests;
