//! Scripts in Markdown pages.

use super::fixture::{Written, command, run};
use crate::support::root;

#[test]
fn the_code_blocks_of_our_own_pages_pass() {
    for page in ["docs/SCRIPTS.md", "README.md"] {
        let mut command = command(root(page));
        command.args(["--quiet", "--keep-going"]);
        run(command, b"").passes();
    }
}

#[test]
fn a_block_is_told_by_its_line_and_includes_others_by_their_names_and_a_page_is_never_rewritten() {
    let written = Written::new(":status\n");
    let page = "# page\n\n```chat\n:status\n| nobody here\n```\n\n~~~ chat part.inc\n:showkey\n| wrong\n~~~\n\
        ```chat two.chat\n@include part.inc\n```\n```chat differs\n@nonsense\n```\n";
    written.put("page.md", page);
    let played = written.replay(&["page.md", "--keep-going"]);
    assert_eq!(played.code, 1);
    for row in ["# page.md:4\n", "# page.md:13\n"] {
        assert!(played.out.contains(row), "{}", played.out);
    }
    assert!(!played.out.contains("\n\n"), "{}", played.out);
    for place in [" page.md:5:3\n", " page.md#part.inc:10:3\n"] {
        assert!(played.err.contains(&format!("-->{place}")), "{}", played.err);
    }
    assert!(!played.err.contains("--update"), "{}", played.err);
    for option in ["--update", "--fmt"] {
        let refused = written.replay(&["page.md", option]);
        assert_eq!(refused.code, 2);
        assert!(refused.err.contains("page.md:4 is in a Markdown page"), "{}", refused.err);
    }
    written.put("page.md", "nothing");
    assert_eq!(written.replay(&["page.md"]).code, 3);
    assert_eq!(written.replay(&["."]).code, 0, "a folder means its scripts");
}
