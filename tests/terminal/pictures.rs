//! Pictures of replays beside the real terminal: the same conversation gives the same cells.

use std::process::Command;

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

use super::pty::{Pty, Setup, has};
use super::support::picture::Picture;
use super::support::{RSACHAT, read};

/// Cell that is not blank: row, column, content, look.
pub(crate) type Cell = (usize, usize, String, String);

const HERS: &str =
    "안녕 bob, 오늘 저녁에 시간이 있으면 같이 밥을 먹으러 갈래요? The place by the river is open again";
const HIS: &str =
    "yes, and I bring the umbrella that you left at my place on Tuesday: 일곱 시에 학교 앞에서 만나요";

/// The last moment of a script on alice's screen, from the row behind this one on.
fn drawn(script: &str, behind: &str) -> Vec<Cell> {
    let folder = tempfile::TempDir::new().unwrap();
    let (story, svg) = (folder.path().join("story.chat"), folder.path().join("x.svg"));
    std::fs::write(&story, script).unwrap();
    let mut replay = Command::new(RSACHAT);
    replay.arg("replay").arg(&story).args(["--quiet", "--still", "--svg"]).arg(&svg);
    assert!(replay.status().unwrap().success());
    let picture = Picture::parse(&std::fs::read_to_string(svg).unwrap());
    let rows = || picture.rows.iter().filter(|row| row.screen == 0);
    let first = rows().find(|row| row.text().contains(behind)).expect("a row").number + 1;
    let mut cells = Vec::new();
    for row in rows().filter(|row| row.number >= first) {
        for span in &row.spans {
            let mut column = span.column;
            for cluster in span.content.graphemes(true) {
                if cluster != " " {
                    cells.push((row.number - first, column, cluster.to_owned(), span.look.clone()));
                }
                column += cluster.width();
            }
        }
    }
    cells
}

/// Cells without the time of day.
fn steady(mut cells: Vec<Cell>) -> Vec<Cell> {
    for (_, column, content, _) in &mut cells {
        if *column < 5 && content.chars().all(|c| c.is_ascii_digit()) {
            "0".clone_into(content);
        }
    }
    cells.sort();
    cells
}

#[test]
fn a_picture_of_a_script_has_the_cells_and_the_colours_of_the_terminal() {
    let key = |who: &str| {
        format!(
            "@file {who}/identity.pem <<END\n{}\nEND\n",
            read(&format!("tests/keys/pty/{who}.pem")).trim_end()
        )
    };
    let script = format!(
        "@actors alice bob\n@lenient\n{}{}alice> :listen 127.0.0.1:0\nbob> :connect 127.0.0.1:${{alice.port}}\n\
         alice> {HERS}\nbob> {HIS}\nalice> :conect x\nalice| ! $*\n@draft alice 네\n",
        key("alice"),
        key("bob")
    );
    let picture = drawn(&script, "bob? new: ");

    let (mut alice, mut bob) = Pty::start_with_bob(&Setup::WIDE);
    alice.press(&format!("{HERS}\r"));
    bob.hears("alice", 1);
    bob.types(HIS);
    alice.wait("his words", |screen| has(screen, "만나요"));
    alice.press(":conect x\r");
    alice.wait("the mistake", |screen| has(screen, "did you mean"));
    alice.wait_reading();
    alice.press("네");
    let wanted = steady(picture);
    assert_eq!(steady(alice.cells(|cells| steady(cells) == wanted)), wanted);
}
