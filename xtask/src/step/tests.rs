//! Steps that are small shell scripts.

use super::*;

#[test]
fn failed_step_is_named_with_its_exit_code() {
    let failed = Step::program("demo", &["sh", "-c", "exit 7"]).run().unwrap_err();
    assert_eq!(failed.code, 7);
    assert_eq!(failed.to_string(), "step demo failed (exit status: 7)");
}

#[test]
fn missing_program_is_named() {
    let failed = Step::program("demo", &["no-such-program"]).run().unwrap_err();
    assert_eq!(failed.code, 1);
    assert!(failed.to_string().contains("demo can't start no-such-program: No such"), "{failed}");
}

#[test]
fn step_runs_in_the_projects_folder_with_its_variables() {
    let script = "test -f rustfmt.toml && printf $LAMP";
    let step = Step::program("demo", &["sh", "-c", script]).set("LAMP", "lit");
    assert_eq!(step.read().unwrap(), "lit");
    assert!(step.try_silently());
}
