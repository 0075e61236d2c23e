//! Several scripts at the same time: the output is that of one after the other.

use regex::Regex;

use super::fixture::{Written, connected};

/// Fourteen scripts: one differs, one is wrong, one is skipped, one starts a program and would
/// notice whether it is alone.
fn folder() -> Written {
    let written = Written::new(&format!("{}alice> hello\nbob| alice: hello\n", connected()));
    for number in 0..10 {
        let text = format!("@seed {number}\n{}bob> 안녕 {number}\nalice| bob: 안녕 {number}\n", connected());
        written.put(&format!("{number}.chat"), &text);
    }
    written.put("3.chat", &format!("{}bob> one\nalice| bob: two\nbob> three\nalice| four\n", connected()));
    written.put("5-skipped.chat", "@skip not here\n");
    written.put("6-wrong.chat", "@kil\n");
    written.put("7-program.chat", "@timeout 60s\n@spawn p printf 'x\\n'\np| x\np|* exited 0\n");
    written
}

/// What differs from one run to the next is gone.
fn without_times(text: &str) -> String {
    let times = r#", \d+\.\d s\n| (time|timestamp|uuid)="[^"]*""#;
    Regex::new(times).unwrap().replace_all(text, "").into_owned()
}

#[test]
fn scripts_that_are_played_together_print_and_report_what_they_do_one_after_the_other() {
    let written = folder();
    let run = |jobs: &str, options: &[&str]| {
        let report = ["--junit", "report.xml", "--allow-spawn", "--jobs", jobs, "."];
        let played = written.replay(&[&report[..], options].concat());
        let junit = std::fs::read_to_string(written.folder().join("report.xml")).unwrap();
        (played.code, played.out, without_times(&played.err), without_times(&junit))
    };
    for format in ["transcript", "tap", "json"] {
        let alone = run("1", &["--format", format, "--keep-going"]);
        assert_eq!(alone.0, 2, "{}", alone.2);
        assert!(alone.2.ends_with("11 passed, 1 differed, 1 skipped, 1 not played"), "{}", alone.2);
        for jobs in ["2", "5", "auto"] {
            assert_eq!(run(jobs, &["--format", format, "--keep-going"]), alone, "{format}, {jobs} jobs");
        }
        let stopped = run("1", &["--format", format]);
        assert_eq!(stopped.0, 1, "{}", stopped.2);
        assert!(stopped.2.ends_with("3 passed, 1 differed, 10 not played"), "{}", stopped.2);
        assert_eq!(run("2", &["--format", format]), stopped, "{format}, stopped");
    }
}

#[test]
fn jobs_are_for_files_that_stay_as_they_are() {
    let written = Written::new(":status\n");
    for (options, why) in [
        (&["-"][..], "--jobs: standard input is one script"),
        (&["story.chat", "--update"], "cannot be used with"),
        (&["story.chat", "--svg", "x.svg"], "cannot be used with"),
    ] {
        let refused = written.replay(&[&["--jobs", "2"], options].concat());
        assert_eq!(refused.code, 2);
        assert!(refused.err.contains(why), "{}", refused.err);
    }
    for number in ["0", "many", "-1"] {
        let refused = written.replay(&[&format!("--jobs={number}"), "story.chat"]);
        assert_eq!(refused.code, 2);
        assert!(refused.err.contains("write a number from 1, or auto"), "{}", refused.err);
    }
}
