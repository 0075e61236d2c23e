//! Reports of a run, and the choice of what is played.

use quick_junit::{NonSuccessKind, Report, TestCaseStatus};

use super::fixture::{Written, command};
use crate::support::{PATIENCE, eventually};

/// Four scripts: one passes, one differs, one is skipped, one is wrong.
fn four() -> Written {
    let written = Written::new("@tag slow\n:status\n| $**\n");
    written.put("differs.chat", "hi <&>\n| wrong\n");
    written.put("skipped.chat", "@skip not <here>\n");
    written.put("wrong.chat", "@tag slow odd\n@kil\n");
    written
}

fn junit(written: &Written) -> Report {
    let text = std::fs::read_to_string(written.folder().join("report.xml")).unwrap();
    Report::deserialize_from_str(&text).unwrap()
}

#[test]
fn a_report_for_ci_has_a_case_for_each_script_with_message_rows_and_seed() {
    let written = four();
    let played = written.replay(&[".", "--quiet", "--keep-going", "--seed", "9", "--junit", "report.xml"]);
    assert_eq!(played.code, 2);
    let report = junit(&written);
    assert_eq!((report.tests, report.failures, report.errors), (4, 1, 1));
    let suite = &report.test_suites[0];
    let properties: Vec<_> =
        suite.properties.iter().map(|one| (one.name.as_str(), one.value.as_str())).collect();
    assert_eq!(properties, [("version", env!("CARGO_PKG_VERSION")), ("seed", "9")]);
    let cases = &suite.test_cases;
    let names: Vec<_> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names, ["./differs.chat", "./skipped.chat", "./story.chat", "./wrong.chat"]);
    let TestCaseStatus::NonSuccess { kind, message, description, .. } = &cases[0].status else {
        panic!("{cases:?}")
    };
    assert_eq!(
        (*kind, message.as_ref().unwrap().as_str()),
        (NonSuccessKind::Failure, "./differs.chat:2:3: line differs")
    );
    assert!(description.as_ref().unwrap().as_str().contains("--> ./differs.chat:2:3"), "{description:?}");
    assert!(cases[0].system_out.as_ref().unwrap().as_str().starts_with("| ! not sent: "));
    assert!(
        matches!(&cases[1].status, TestCaseStatus::Skipped { message: Some(why), .. } if why.as_str() == "not <here>")
    );
    assert!(matches!(cases[2].status, TestCaseStatus::Success { .. }));
    let TestCaseStatus::NonSuccess { kind, message, .. } = &cases[3].status else { panic!("{cases:?}") };
    assert_eq!(
        (*kind, message.as_ref().unwrap().as_str()),
        (NonSuccessKind::Error, "./wrong.chat:2:1: unknown directive @kil")
    );
}

#[test]
fn each_case_of_the_report_has_the_seed_of_its_run() {
    for (script, args, seed) in [
        ("@seed 5\n:status\n", &[][..], Some("5")),
        (":status\n", &[], Some("0")),
        ("@seed 5\n:status\n| another row\n", &["--seed", "9"], Some("9")),
        ("@skip no\n", &["--seed", "9"], None),
        ("@actors a b\n@live b\na> :status\n", &["--seed", "9"], None),
    ] {
        let written = Written::new(script);
        written.replay(&[&["story.chat", "--quiet", "--junit", "report.xml"], args].concat());
        let case = &junit(&written).test_suites[0].test_cases[0];
        let seeds: Vec<_> =
            case.properties.iter().map(|one| (one.name.as_str(), one.value.as_str())).collect();
        assert_eq!(seeds, seed.map(|seed| ("seed", seed)).into_iter().collect::<Vec<_>>(), "{script}");
    }
}

#[test]
fn the_report_is_written_after_a_stop_and_after_a_signal() {
    let written = four();
    assert_eq!(written.replay(&[".", "--quiet", "--junit", "report.xml"]).code, 1);
    let report = junit(&written);
    assert_eq!((report.tests, report.failures, report.errors), (4, 1, 3), "three are not played");

    written.put("differs.chat", &"@tick 200000d\n".repeat(20_000));
    for jobs in ["1", "2"] {
        let mut child = command(".");
        child
            .args(["--junit", "report.xml", "--jobs", jobs])
            .current_dir(written.folder())
            .stdout(std::process::Stdio::piped());
        let mut child = child.spawn().unwrap();
        let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
        let mut row = String::new();
        while !row.contains("@tick") {
            row.clear();
            assert!(std::io::BufRead::read_line(&mut out, &mut row).unwrap() > 0);
        }
        let id = rustix::process::Pid::from_raw(child.id().cast_signed()).unwrap();
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        eventually("the signal ends it", PATIENCE, || child.try_wait().unwrap().is_some());
        assert_eq!(child.wait().unwrap().code(), Some(143));
        assert_eq!(junit(&written).errors, 4);
    }
}

#[test]
fn the_last_row_sums_up_several_scripts_and_timings_list_the_slowest() {
    let written = four();
    let played = written.replay(&[".", "--quiet", "--keep-going", "--timings"]);
    let rows: Vec<&str> = played.err.lines().collect();
    let summary = regex::Regex::new(r"^1 passed, 1 differed, 1 skipped, 1 not played, \d+\.\d s$").unwrap();
    assert!(summary.is_match(rows[rows.len() - 1]), "{}", played.err);
    let timing = regex::Regex::new(r"^ +\d+\.\d{3} s  \./\w+\.chat$").unwrap();
    assert_eq!(rows.iter().filter(|row| timing.is_match(row)).count(), 4, "{}", played.err);
    assert_eq!(written.replay(&["story.chat"]).err, "", "one needs none");
}

#[test]
fn scripts_are_chosen_by_their_names_and_tags() {
    let written = four();
    for (options, chosen) in [
        (&["--only", "dif|st"][..], "./differs.chat\n./story.chat\n"),
        (&["--tag", "slow"], "./story.chat\n./wrong.chat\n"),
        (&["--skip-tag", "slow", "--only", "s.*chat"], "./differs.chat\n./skipped.chat\n"),
    ] {
        let listed = written.replay(&[&[".", "--list"], options].concat());
        assert_eq!((listed.code, listed.out.as_str()), (0, chosen), "{}", listed.err);
    }
    let played = written.replay(&[".", "--only", "story", "--format", "tap", "--quiet"]);
    assert_eq!(played.out, "TAP version 14\n1..1\nok 1 - ./story.chat\n");
    let nothing = written.replay(&[".", "--only", "none"]);
    assert_eq!(nothing.code, 2);
    assert!(nothing.err.contains("no script matches --only, --tag and --skip-tag"), "{}", nothing.err);
}
