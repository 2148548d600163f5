//! The command line, word by word.

use super::*;

fn parsed(line: &str) -> Option<Command> {
    parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
}

#[test]
fn commands_are_what_the_usage_says() {
    assert_eq!(parsed("test"), Some(Command::Test(Scope::All)));
    assert_eq!(parsed("test --fast"), Some(Command::Test(Scope::Fast)));
    assert_eq!(parsed("docs"), Some(Command::Docs));
    assert_eq!(parsed("fuzz web_head"), Some(fuzz("web_head", 60)));
    assert_eq!(parsed("fuzz web_head --seconds 5"), Some(fuzz("web_head", 5)));
    assert_eq!(parsed("bench idle"), Some(Command::BenchIdle));
    let hello = |seconds, rounds| Some(Command::BenchHello { seconds, rounds });
    assert_eq!(parsed("bench hello"), hello(5, 5));
    assert_eq!(parsed("bench hello --rounds 3 --seconds 20"), hello(20, 3));
}

#[test]
fn anything_else_is_refused() {
    for line in ["", "tests", "test --slow", "test --fast now", "docs now", "fuzz", "fuzz a b"] {
        assert_eq!(parsed(line), None, "{line}");
    }
    assert_eq!(parsed("fuzz web_head --seconds -1"), None);
    for options in ["--rounds", "--rounds 0", "--rounds 1 --rounds 2", "--round 1", "-1"] {
        assert_eq!(parsed(&format!("bench hello {options}")), None, "{options}");
    }
}
