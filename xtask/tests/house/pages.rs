//! The manual: its table of contents names every page, and links lead to something.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use crate::hold;
use crate::tree::{absolute, files, text_of};

#[test]
fn summary_lists_every_page() {
    let listed: BTreeSet<String> = links(text_of("docs/SUMMARY.md"))
        .into_iter()
        .map(|(_, target)| format!("docs/{}", target.split('#').next().unwrap()))
        .collect();
    let pages = files().iter().map(|file| file.path.as_str());
    let pages = pages.filter(|path| path.starts_with("docs/") && path.ends_with(".md"));
    let missing = pages.filter(|path| *path != "docs/SUMMARY.md" && !listed.contains(*path));
    hold("docs/SUMMARY.md lists every page.", missing.map(str::to_owned));
}

#[test]
fn links_lead_to_files_and_headings_that_are_there() {
    let mut broken: Vec<String> =
        ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "docs/SUMMARY.md"]
            .into_iter()
            .filter(|page| text_of(page).is_empty())
            .map(|page| format!("{page} is missing"))
            .collect();
    for file in files().iter().filter(|file| file.path.ends_with(".md")) {
        for (line, target) in links(file.text().unwrap()) {
            if !is_elsewhere(target) && !exists(&file.path, target) {
                broken.push(format!("{}:{line}: {target}", file.path));
            }
        }
    }
    hold("A link on a page leads to something.", broken);
}

/// The line and target of every `](target)` outside of code.
fn links(page: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut in_code = false;
    for (at, line) in page.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        // What stands between two backquotes is code too.
        let prose = line.split('`').step_by(2).filter(|_| !in_code);
        let targets = prose.flat_map(|text| text.split("](").skip(1));
        found.extend(targets.map(|rest| (at + 1, rest.split([')', ' ']).next().unwrap())));
    }
    found
}

fn is_elsewhere(target: &str) -> bool {
    ["https:", "http:", "mailto:"].iter().any(|scheme| target.starts_with(scheme))
}

fn exists(page: &str, target: &str) -> bool {
    let (file, heading) = target.split_once('#').unwrap_or((target, ""));
    let path = match file {
        "" => page.to_owned(),
        _ => joined(page, file),
    };
    let has_heading =
        || text_of(&path).lines().any(|line| anchor(line) == Some(heading.to_owned()));
    absolute(&path).exists() && (heading.is_empty() || has_heading())
}

/// `target` as seen from `page`, without `..`.
fn joined(page: &str, target: &str) -> String {
    let mut path = PathBuf::from(page);
    path.pop();
    for part in Path::new(target).components() {
        match part {
            Component::ParentDir => drop(path.pop()),
            Component::Normal(name) => path.push(name),
            _ => {}
        }
    }
    path.display().to_string()
}

/// What a heading is called in links: small letters and digits, hyphens for spaces.
fn anchor(line: &str) -> Option<String> {
    let text = line.strip_prefix('#')?.trim_start_matches('#').strip_prefix(' ')?;
    let kept = text.chars().filter(|c| c.is_alphanumeric() || "-_ ".contains(*c));
    Some(kept.collect::<String>().to_lowercase().replace(' ', "-"))
}

#[test]
fn links_in_code_are_none() {
    let page = "[a](b.md) and `[c](d)`\n```\n[e](f)\n```\n![g](h.png \"title\") [i](#j)\n";
    assert_eq!(links(page), [(1, "b.md"), (5, "h.png"), (5, "#j")]);
}

#[test]
fn targets_are_seen_from_their_page() {
    assert_eq!(joined("docs/a/b.md", "../c.md"), "docs/c.md");
    assert_eq!(joined("README.md", "./docs/"), "docs");
    assert_eq!(anchor("## `[db] url`: where it is").unwrap(), "db-url-where-it-is");
}
