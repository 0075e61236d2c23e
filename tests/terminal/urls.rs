//! URLs longer than a row: the terminal wraps them, so that it knows them whole, and neither the
//! rows around them nor the line being typed move.

use super::pty::{Pty, Setup, row_of_cursor};

/// URL of so many cells.
fn url(cells: usize) -> String {
    let start = "https://example.kr/a?b=";
    format!("{start}{}", "c1".repeat(cells)[..cells - start.len()].to_owned())
}

/// Whether the terminal has these texts, each as one row that it has wrapped itself.
fn knows(screen: &vt100::Screen, texts: &[&String]) -> bool {
    // The contents join the rows that the terminal has wrapped.
    texts.iter().all(|text| screen.contents().lines().any(|row| row == text.as_str()))
}

#[test]
fn a_url_longer_than_a_row_is_one_row_of_the_terminal_that_nothing_else_stands_in() {
    for (size, setup) in Setup::SIZES {
        let cells = usize::from(setup.cols);
        let (mut alice, mut bob) = Pty::start_with_bob(&setup);
        let (edge, long, own) = (url(cells), url(cells + 1), url(2 * cells));
        alice.press("half a line");
        bob.types(&format!("보세요 {edge} 그리고 {long} bob: hi"));
        alice.wait("both", |screen| {
            knows(screen, &[&edge, &long]) && row_of_cursor(screen).ends_with("half a line")
        });
        alice.press(&format!("\x15(see {own}).\r"));
        assert_eq!(bob.hears("alice", 1), [format!("(see {own}).")]);
        alice.check_picture(&format!("urls-{size}"), |screen| {
            knows(screen, &[&edge, &long, &format!("{own}).")])
                && row_of_cursor(screen).trim_end().ends_with('>')
        });
    }
}

#[test]
fn a_url_and_the_line_being_typed_stay_whole_where_the_terminal_wraps_its_rows_anew() {
    for (_, setup) in Setup::SIZES {
        let setup = Setup { rows: 60, ..setup };
        let (mut alice, mut bob) = Pty::start_with_bob(&setup);
        let urls = [url(80), url(81), url(200)];
        for url in &urls {
            bob.types(&format!("보세요 {url} 끝"));
        }
        alice.press("typed so far");
        let is_whole = |screen: &vt100::Screen| {
            knows(screen, &urls.each_ref()) && screen.contents().matches("typed so far").count() == 1
        };
        alice.wait("all", is_whole);
        for cols in [50, 33, 120, 41, 80, 40] {
            alice.resize_reflowing(cols, setup.rows);
            // What comes paints the line anew.
            let said = format!("at {cols} cells");
            bob.types(&said);
            alice.sees(&said);
            alice.wait("all", is_whole);
        }
        alice.press("\r");
        assert_eq!(bob.hears("alice", 1), ["typed so far"]);
    }
}

#[test]
fn a_url_of_ten_thousand_bytes_is_shown_when_it_is_asked_for() {
    let setup = Setup { rows: 200, ..Setup::WIDE };
    let (mut alice, mut bob) = Pty::start_with_bob(&setup);
    let (long, other) = (url(10_000), format!("{}/가", url(100)));
    bob.types(&format!("{long} {other}"));
    alice.sees("… and 127 more rows (:show 1)");
    alice.press(":show 1\r");
    alice.wait("the URL", |screen| knows(screen, &[&long]));
    assert!(
        !alice.screen().lines().any(|row| row.contains("/가") && row.starts_with("https")),
        "{}",
        alice.picture()
    );
}
