//! Scripts that are played again after a difference, in an open world alone.

use quick_junit::{Report, TestCaseStatus};

use super::fixture::{Played, Written};

/// A script with a program that says `good` from its second run on, and one that never passes.
fn folder() -> Written {
    let written = Written::new("@timeout 60s\n@spawn p sh ${here}/count.sh runs 2\np| good\np|* exited 0\n");
    written.put("never.chat", "@timeout 60s\n@spawn p sh ${here}/count.sh never 100\np| good\n");
    let count = "cd \"${0%/*}\"; echo run >> $1\n\
        if test $(wc -l < $1) -ge $2; then echo good; else echo bad; fi\n";
    written.put("count.sh", count);
    written
}

/// Number of runs of a program.
fn runs(written: &Written, name: &str) -> usize {
    std::fs::read_to_string(written.folder().join(name)).unwrap().lines().count()
}

/// A replay of a folder in which no program has run yet.
fn fresh(options: &[&str]) -> (Written, Played) {
    let written = folder();
    let played = written.replay(&[&["--allow-spawn"], options].concat());
    (written, played)
}

#[test]
fn a_script_with_a_program_that_passes_only_when_it_is_played_again_is_flaky() {
    let (written, once) = fresh(&["story.chat"]);
    assert_eq!((once.code, runs(&written, "runs")), (1, 1), "{}", once.err);

    let (written, played) = fresh(&["story.chat", "--retry", "2", "--format", "tap"]);
    assert_eq!(played.out, "TAP version 14\n1..1\nok 1 - story.chat # flaky 2 of 3\n");
    assert_eq!((played.code, runs(&written, "runs")), (0, 2), "{}", played.err);
    assert!(played.err.contains("--> story.chat:3:"), "the first run is told: {}", played.err);
    assert!(played.err.ends_with("rsachat: playing story.chat again, 2 of 3\n"), "{}", played.err);

    let (_, played) = fresh(&["story.chat", "--retry", "2", "--format", "json"]);
    let ended = r#"{"attempts":2,"event":"ended","file":"story.chat","outcome":"flaky","steps":1}"#;
    let again = r#"{"attempt":2,"event":"again","file":"story.chat"}"#;
    let rows: Vec<&str> = played.out.lines().collect();
    assert!(rows.contains(&again), "{}", played.out);
    assert_eq!(rows.last(), Some(&ended));

    let (_, strict) = fresh(&["story.chat", "--retry", "2", "--fail-on-flaky"]);
    assert_eq!(strict.code, 1);
    assert!(strict.out.contains("\n# story.chat again, 2 of 3\n"), "{}", strict.out);
    assert_eq!(fresh(&["story.chat", "--fail-on-flaky"]).1.code, 2);
}

#[test]
fn reports_have_every_run_of_a_script_and_the_last_row_counts_the_flaky() {
    let (written, played) = fresh(&[".", "--retry", "2", "--keep-going", "--quiet", "--junit", "report.xml"]);
    assert_eq!((played.code, runs(&written, "never")), (1, 3), "{}", played.err);
    assert!(played.err.contains("\n0 passed, 1 flaky, 1 differed, "), "{}", played.err);
    let text = std::fs::read_to_string(written.folder().join("report.xml")).unwrap();
    let report = Report::deserialize_from_str(&text).unwrap();
    assert_eq!((report.tests, report.failures, report.errors), (2, 1, 0));
    let cases = &report.test_suites[0].test_cases;
    let TestCaseStatus::NonSuccess { reruns, .. } = &cases[0].status else { panic!("{cases:?}") };
    assert_eq!(reruns.runs.len(), 2, "and the last: {cases:?}");
    let TestCaseStatus::Success { flaky_runs } = &cases[1].status else { panic!("{cases:?}") };
    assert_eq!(flaky_runs.len(), 1);
    assert!(flaky_runs[0].message.as_ref().unwrap().as_str().starts_with("./story.chat:3:"));
    assert!(flaky_runs[0].system_out.as_ref().unwrap().as_str().starts_with("p| bad\n"));
    assert!(cases[1].system_out.as_ref().unwrap().as_str().starts_with("p| good\n"));
}

#[test]
fn a_closed_world_is_never_played_again() {
    let written = Written::new("hi\n| wrong\n");
    let once = written.replay(&["story.chat"]);
    let asked = written.replay(&["story.chat", "--retry", "2", "--fail-on-flaky"]);
    assert_eq!((asked.code, asked.out, asked.err), (1, once.out, once.err));
}
