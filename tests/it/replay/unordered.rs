//! Expectations between `@unordered` and `@end`, whose order is free.

use super::fixture::{Played, Written, replay};

const ROWS: [&str; 3] =
    ["| plain text goes to nobody", "| you are user, without a key yet", "| nobody is connected"];

fn status(lines: &[&str]) -> String {
    format!(":status\n{}\n", lines.join("\n"))
}

#[test]
fn every_order_of_the_lines_passes_and_each_line_needs_a_row_of_its_own() {
    for [a, b, c] in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        replay(&status(&["@unordered", ROWS[a], "# between", ROWS[b], ROWS[c], "@end"]), &[]).passes();
    }
    replay(&status(&[ROWS[0], "@unordered", ROWS[2], ROWS[1], "@end"]), &[]).passes();
    replay(&status(&["| $**", "@unordered", ROWS[2], ROWS[1], "@end"]), &[]).passes();
    replay(&status(&["@unordered", "| $*", ROWS[0], "|~ you .*", "@end"]), &[]).passes();
    for (lines, said, at) in [
        (vec![ROWS[2], ROWS[1], ROWS[0], ROWS[1]], "no line came", "-:6:1"),
        (vec![ROWS[2], ROWS[1]], "an unexpected line", "-:1:1"),
        (vec![ROWS[2], "| you are somebody", ROWS[0]], "line differs", "-:4:11"),
    ] {
        let Played { code, err, .. } =
            replay(&status(&[&["@unordered"], &lines[..], &["@end"]].concat()), &[]);
        assert!(code == 1 && err.contains(&format!("error: {said}\n")) && err.contains(at), "{err}");
    }
}

#[test]
fn names_are_bound_in_the_way_that_all_lines_agree_with() {
    let met = |behind: &str| {
        format!(
            "@actors alice bob carol\nalice> :listen 0\n@together\n\
             bob> :connect 127.0.0.1:${{alice.port}}\ncarol> :connect 127.0.0.1:${{alice.port}}\n@end\n\
             @unordered\nalice| * ${{second}} joined, $*\nalice| * ${{first}} joined, $*\n\
             alice| * you are now talking to ${{{behind}}} $*\n@end\nbob> ${{second}}\nalice| bob: carol\n"
        )
    };
    replay(&met("first"), &[]).passes();
    let Played { code, err, .. } = replay(&met("second"), &["--keep-going"]);
    assert!(code == 1 && err.contains("got `b` here"), "{err}");
}

#[test]
fn what_does_not_belong_into_the_block_is_a_mistake_with_help() {
    for (text, said) in [
        ("@unordered\n| x\n@end\n", "`@unordered` without a step before it"),
        (":status\n@unordered\n| $**\n@end\n", "`$**` is not allowed among rows in any order"),
        (":status\n@unordered\n|! x\n@end\n", "`|!` is not allowed among rows in any order"),
        (":status\n@unordered\n@unordered\n@end\n", "`@unordered` within `@unordered`"),
        (":status\n@unordered\n:peers\n@end\n", "only expectations may stand"),
        (":status\n@unordered\n@tick 1s\n@end\n", "only expectations may stand"),
    ] {
        let Played { code, err, .. } = replay(text, &["--check"]);
        assert!(code == 2 && err.contains(said) && err.contains("= help: "), "{text}{err}");
    }
    let Played { code, err, .. } = replay(":status\n@unordered\n| x\n", &[]);
    assert!(code == 2 && err.contains("`@unordered` without `@end`"), "{err}");
    let many = format!(":status\n@unordered\n{}@end\n", "| x\n".repeat(65));
    assert!(replay(&many, &[]).err.contains("at most 64 lines"));
}

#[test]
fn an_update_keeps_the_block_and_changes_only_the_line_that_differs() {
    for (before, after) in [
        (vec![ROWS[2], "| you are somebody", ROWS[0]], vec![ROWS[2], ROWS[1], ROWS[0]]),
        (
            vec![ROWS[2], "| you are ${me}, with a key yet", ROWS[0]],
            vec![ROWS[2], "| you are ${me}, without a key yet", ROWS[0]],
        ),
        (vec![ROWS[2], "# why", ROWS[0]], vec![ROWS[2], "# why", ROWS[0], ROWS[1]]),
    ] {
        let script = |lines: &[&str]| status(&[&["@unordered"], lines, &["@end"]].concat());
        let written = Written::new(&script(&before));
        let Played { code, err, .. } = written.replay(&["story.chat", "--update"]);
        assert_eq!((code, written.text()), (0, script(&after)), "{err}");
        written.replay(&["story.chat"]).passes();
    }
}

#[test]
fn a_transcript_has_the_rows_in_their_order_and_the_form_keeps_the_block() {
    let script = status(&["@unordered", ROWS[2], ROWS[1], ROWS[0], "@end", "# behind", ":peers"]);
    let transcript = replay(&script, &[]).passes();
    assert!(!transcript.contains("@unordered") && transcript.contains(&ROWS.join("\n")), "{transcript}");
    assert!(transcript.contains("\n# behind\n> :peers"), "{transcript}");
    assert_eq!(replay(&script, &["--fmt"]).passes(), script);
}

#[test]
fn a_program_may_write_the_rows_of_a_block_in_any_order_and_names_are_bound() {
    let program = "@timeout 30s\n@spawn p sh -c 'echo two; echo noise; echo id 7; echo 7 one; read x'\n";
    let block = "@unordered\np| ${id:num} one\np| id ${id:num}\np| two\n@end\n";
    replay(&format!("{program}{block}"), &["--allow-spawn"]).passes();
    let missing = format!("{program}@unordered\np| three\np| two\n@end\n");
    let Played { code, err, .. } = replay(&missing, &["--allow-spawn", "--timeout", "300ms"]);
    assert!(code == 1 && err.contains("no line came\n") && err.contains(":4:1"), "{err}");
}
