//! Logs as they are read, while real files are written, rotated, emptied and removed.

use std::fs::OpenOptions;

use clap::Parser;
use proptest::prelude::*;

use super::lines::{LINE_BYTES_MAX, Lines};
use super::*;
use crate::logs::Rotating;

/// A folder of logs, and somebody who reads them.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    /// Adds a line to a log, with a time.
    fn add(&self, name: &str, second: u32, text: &str) {
        self.raw(name, format!("{} {text}\n", time(second)).as_bytes());
    }

    fn raw(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(bytes).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(format!("{name}.log"))
    }

    fn reader(&self) -> Reader {
        Reader::open(self.0.path().to_owned())
    }

    /// What `davy logs` prints with these options.
    fn printed(&self, words: &[&str]) -> String {
        self.followed(words, |_| false)
    }

    /// What `davy logs` prints with these options. After each round something happens; `false` ends
    /// it.
    fn followed(&self, words: &[&str], mut then: impl FnMut(usize) -> bool) -> String {
        let cli = cli::Cli::try_parse_from(["davy", "logs"].iter().chain(words)).unwrap();
        let cli::Command::Logs(options) = cli.command else { panic!("{words:?}") };
        let form = if options.json { Form::Json } else { Form::Text };
        let grep = options.grep.as_ref();
        let mut printer = Printer { to: Vec::new(), grep, form, skip: 0, printed: 0 };
        let mut round = 0;
        let wait = || {
            round += 1;
            then(round)
        };
        printer.run(&mut self.reader(), &options, wait).unwrap();
        String::from_utf8(printer.to).unwrap()
    }
}

fn time(second: u32) -> String {
    format!("2026-11-23T23:{:02}:{:02}.000000Z", second / 60, second % 60)
}

/// The last word of each line.
fn words(printed: &str) -> Vec<&str> {
    printed.lines().filter_map(|line| line.split(' ').next_back()).collect()
}

#[test]
fn lines_of_several_logs_stand_in_the_order_of_their_times() {
    let folder = Folder::new();
    for second in [1, 4, 5] {
        folder.add("edge", second, &format!("e{second}"));
    }
    for second in [2, 3, 6] {
        folder.add("site", second, &format!("s{second}"));
    }
    let printed = folder.printed(&[]);
    assert_eq!(words(&printed), ["e1", "s2", "s3", "e4", "e5", "s6"]);
    assert_eq!(printed.lines().next(), Some("2026-11-23T23:00:01.000000Z edge   e1"));
}

#[test]
fn a_line_without_a_time_stays_behind_the_one_before_it() {
    let folder = Folder::new();
    folder.add("edge", 1, "first");
    folder.raw("edge", b"second\n");
    folder.add("edge", 5, "last");
    folder.add("site", 2, "other");
    let printed = folder.printed(&[]);
    assert_eq!(words(&printed), ["first", "second", "other", "last"]);
    assert_eq!(printed.lines().nth(1), Some(&*format!("{:27} edge   second", "")));
}

#[test]
fn the_last_lines_are_found_across_logs_and_rotations() {
    let folder = Folder::new();
    let mut edge = Rotating::open(folder.path("edge"), 100).unwrap();
    for second in 0..20 {
        edge.write(format!("{} e{second}\n", time(second * 2)).as_bytes()).unwrap();
        folder.add("site", second * 2 + 1, &format!("s{second}"));
    }
    assert!(folder.0.path().join("edge.log.2").exists());
    assert_eq!(words(&folder.printed(&["-n", "3"])), ["s18", "e19", "s19"]);
    assert_eq!(words(&folder.printed(&["-n", "0"])), [""; 0]);
    let ten = folder.printed(&["-n", "10"]);
    assert_eq!(words(&ten), ["e15", "s15", "e16", "s16", "e17", "s17", "e18", "s18", "e19", "s19"]);
    let all = folder.printed(&["-n", "all"]);
    assert_eq!(folder.printed(&["-n", "1000000"]), all);
    // Five files of three lines each are kept, the newest of which is not full.
    assert_eq!(all.lines().filter(|line| line.contains(" edge ")).count(), 14);
}

#[test]
fn only_matching_lines_are_printed_and_counted() {
    let folder = Folder::new();
    for second in 0..50 {
        let text = if second % 10 == 3 { "dd41f55eb426" } else { "other" };
        folder.add(
            if second % 2 == 0 { "edge" } else { "site" },
            second,
            &format!("{text} {second}"),
        );
    }
    assert_eq!(words(&folder.printed(&["--grep", "dd41f55eb426"])), ["3", "13", "23", "33", "43"]);
    assert_eq!(words(&folder.printed(&["--grep", "dd41f55eb426", "-n", "2"])), ["33", "43"]);
    assert_eq!(words(&folder.printed(&["-g", "^.* site .*[24]3$"])), ["23", "43"]);
    assert_eq!(words(&folder.printed(&["-g", "nowhere"])), [""; 0]);
}

#[test]
fn following_loses_nothing_over_rotations_and_repeats_nothing() {
    let folder = Folder::new();
    let mut edge = Rotating::open(folder.path("edge"), 100).unwrap();
    let mut second = 0;
    let mut add = |lines: u32| {
        for _ in 0..lines {
            edge.write(format!("{} e{second}\n", time(second)).as_bytes()).unwrap();
            second += 1;
        }
    };
    add(5);
    // No round is longer than four files of three lines.
    let printed = folder.followed(&["-fn", "2"], |round| {
        add([1, 0, 3, 7, 12, 1][round - 1]);
        round < 6
    });
    let expected: Vec<String> = (3..28).map(|second| format!("e{second}")).collect();
    assert_eq!(words(&printed), expected);
}

#[test]
fn following_begins_before_there_is_a_log_and_outlives_its_folder() {
    let folder = Folder::new();
    let logs = folder.0.path().join("log");
    let write = |text: &str| {
        std::fs::create_dir_all(&logs).unwrap();
        let path = logs.join("edge.log");
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        writeln!(file, "{} {text}", time(1)).unwrap();
    };
    let mut reader = Reader::open(logs.clone());
    let mut seen = Vec::new();
    let mut round = |reader: &mut Reader| {
        reader.refresh();
        reader
            .each(|_, entry| {
                seen.push(entry.said().to_owned());
                Ok(())
            })
            .unwrap();
    };
    round(&mut reader);
    write("first");
    round(&mut reader);
    std::fs::remove_dir_all(&logs).unwrap();
    round(&mut reader);
    write("second\nhalf of a third");
    OpenOptions::new()
        .write(true)
        .open(logs.join("edge.log"))
        .and_then(|file| file.set_len(file.metadata()?.len() - 1))
        .unwrap();
    round(&mut reader);
    // Shorter than before: somebody emptied it.
    std::fs::write(logs.join("edge.log"), "3\n").unwrap();
    round(&mut reader);
    assert_eq!(seen, ["first", "second", "3"]);
}

#[test]
fn a_line_is_printed_when_it_is_whole() {
    let folder = Folder::new();
    folder.raw("edge", format!("{} be", time(1)).as_bytes());
    let printed = folder.followed(&["-f"], |round| {
        if round == 2 {
            folder.raw("edge", b"gun\n");
        }
        round < 3
    });
    assert_eq!(words(&printed), ["begun"]);
    folder.raw("edge", b"the last");
    assert_eq!(words(&folder.printed(&[])), ["begun", "last"], "nothing will follow");
}

#[test]
fn what_would_speak_to_the_terminal_is_escaped() {
    let folder = Folder::new();
    folder.add("site", 1, "a\u{1b}[2J\r\u{202e}\u{9b}b\0");
    let printed = folder.printed(&[]);
    assert!(printed.ends_with(" a\\u{1b}[2J\\r\\u{202e}\\u{9b}b\\u{0}\n"), "{printed:?}");
    let json = folder.printed(&["--json"]);
    assert!(!json.trim_end().contains(char::is_control), "{json:?}");
    folder.raw("site", b"\xff\xfe\n");
    assert_eq!(words(&folder.printed(&["-n", "1"])), ["\u{fffd}\u{fffd}"]);
}

#[test]
fn programs_get_a_line_in_parts() {
    let folder = Folder::new();
    folder.add("edge", 1, "talker \"x\"");
    let json: serde_json::Value = serde_json::from_str(&folder.printed(&["--json"])).unwrap();
    let expected = json!({ "time": time(1), "log": "edge", "line": "talker \"x\"" });
    assert_eq!(json, expected);
}

#[test]
fn folders_and_pipes_are_no_logs() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("edge")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        folder.path("db"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    folder.add("site", 1, "said");
    assert_eq!(words(&folder.printed(&[])), ["said"]);
}

#[test]
fn a_long_line_is_cut_and_the_next_is_whole() {
    let folder = Folder::new();
    folder.raw("site", &vec![b'x'; LINE_BYTES_MAX * 3]);
    folder.raw("site", b"\nnext\n");
    let printed = folder.printed(&[]);
    let lines: Vec<&str> = printed.lines().collect();
    assert!(
        lines[0].ends_with("x…") && lines[0].len() < LINE_BYTES_MAX + 100,
        "{}",
        lines[0].len()
    );
    assert!(lines[1].ends_with(" next"), "{}", lines[1]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_last_lines_of_any_file_are_its_last_lines(text in "[a\n]{0,40}", count in 0_usize..12) {
        let folder = Folder::new();
        folder.raw("site", text.as_bytes());
        let printed = folder.printed(&["-n", &count.to_string()]);
        let said: Vec<&str> = printed.lines().map(|line| &line[35..]).collect();
        let lines: Vec<&str> = text.lines().collect();
        prop_assert_eq!(&said[..], &lines[lines.len().saturating_sub(count)..]);
    }

    #[test]
    fn any_pieces_make_the_lines_of_the_whole(text in "[aä\n]{0,60}", size in 1_usize..9) {
        let mut lines = Lines::default();
        text.as_bytes().chunks(size).for_each(|piece| lines.push(piece));
        lines.end();
        let found: Vec<String> = std::iter::from_fn(|| lines.pop()).collect();
        prop_assert_eq!(found, text.lines().map(str::to_owned).collect::<Vec<_>>());
    }
}
