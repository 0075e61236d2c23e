//! Disks that are full, and homes that are older than what was said since.

use super::fixture::{connected, replay};

fn mistake(script: &str, words: &str) {
    let played = replay(script, &["--allow-spawn"]);
    assert_eq!(played.code, 2, "{script}{}", played.out);
    assert!(played.err.contains(words), "{script}{}", played.err);
}

#[test]
fn only_homes_of_our_own_have_disks_and_copies() {
    for directive in ["@disk bob full", "@backup bob", "@backup alice\n@restore bob alice"] {
        let live = format!("@actors alice bob\n@live bob\nalice> :status\n{directive}\n");
        mistake(&live, "bob is live: it is not ours");
        let spawned = format!("@actors alice\n@spawn bob true\nalice> :status\n{directive}\n");
        mistake(&spawned, "bob is another program: its files are its own");
    }
    mistake("@actors alice\n@disk alice\nalice> hi\n", "write @disk NAME full, or @disk NAME ok");
    mistake("@actors alice\n@disk alice empty\nalice> hi\n", "write @disk NAME full, or @disk NAME ok");
    mistake("@actors alice bob\n@disk carol full\n", "no actor `carol`");
}

#[test]
fn what_is_restored_was_copied_and_does_not_run() {
    mistake("@actors alice\n@kill alice\n@restore alice\n", "there is no copy of the home of alice");
    mistake("@actors alice bob\n@backup bob\n@kill alice\n@restore alice\n", "`@backup alice` makes one");
    let running = replay("@actors alice\n@backup alice\n@restore alice\n", &[]);
    assert_eq!(running.code, 1, "{}", running.out);
    assert!(running.err.contains("alice is running already"), "{}", running.err);
    assert!(running.err.contains("`@kill alice` or `alice> :quit` ends it first"), "{}", running.err);
}

#[test]
fn a_copy_holds_the_key_the_book_and_what_waits_and_can_be_restored_twice() {
    let script = format!(
        "@lenient\n{}alice> @bob hello\nbob> :quit\nalice> @bob it waits\n@backup alice\nalice> :outbox drop bob\n\
         alice> :name bob bobby\n@kill alice\n@restore alice\n@start alice\nalice> :outbox\n\
         alice|~ bob +1 +.* queued +it waits\nalice> :peers\nalice| $**\nalice|~ bob .*\n\
         @kill alice\n@start alice fresh\nalice> :showkey\nalice| ! no key yet; :keygen generates one\n\
         @kill alice\n@restore alice\n@start alice\nalice> :outbox\nalice|~ bob +1 +.* queued +it waits\n",
        connected()
    );
    let rows = script.replace("alice|~ bob +1", "alice| $**\nalice|~ bob +1");
    replay(&rows, &[]).passes();
}
