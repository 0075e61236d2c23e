//! First letters (`docs/PROTOCOL.md`, 12.3) between people who are never on together and have never
//! met: by an invitation of the one, which names the relay.

use std::net::TcpListener;

use libtest_mimic::Failed;

use rsachat::crypto::{Bundle, Fingerprint, Identity, LetterKey, OfferedKey, Seed, bundle_name};
use rsachat::peers::invitation::Invitation;
use rsachat::wire::{Chain, Epoch, FirstLetterBody, LetterBody, Resume, Token};

use crate::client::Client;
use crate::letters::{Person, is_at_relay};
use crate::site::{Node, Site, Tls};
use crate::support::{Home, PATIENCE, Process, eventually, root};

/// An address at which nobody answers.
fn deserted() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// An invitation that a person makes at the prompt, once others can write by it.
fn invitation(site: &Site, node: &Node, prompt: &mut Process, options: &str) -> String {
    prompt.types(&format!(":invite {options} --at {}", deserted()));
    prompt.sees("rsachat://");
    let mut url = String::new();
    eventually("the invitation is shown whole", PATIENCE, || {
        let said = prompt.output();
        let found = said.split_whitespace().rfind(|word| word.starts_with("rsachat://"));
        found.unwrap_or_default().clone_into(&mut url);
        url.contains("#SHA256:")
    });
    assert!(url.contains("&r=nats~127.0.0.1~"), "{url}");
    eventually("the bundle is at the relay", PATIENCE, || {
        let info = site.ask(node, Tls::Without, "$JS.API.STREAM.INFO.RK", "").unwrap();
        info["state"]["messages"].as_u64().unwrap() > 0
    });
    url
}

pub(crate) fn never_met() -> Result<(), Failed> {
    let (site, node) = Site::with_node();
    let at = [node.at.clone()];
    let (alice, bob) = (Person::new(&site, "alice", &at), Person::new(&site, "bob", &at));
    let mut there = bob.starts(&[]);
    there.sees("connected to the relay");
    let url = invitation(&site, &node, &mut there, "--once");
    there.types(":quit");
    assert_eq!(there.ends(), 0);

    let mut here = alice.starts(&[]);
    here.sees("connected to the relay");
    here.types(&format!(":connect {url}"));
    here.sees("lines to bob go to the relay now; the first letter is signed, so bob could show it to others, and nobody has answered yet");
    here.types("hello, we have not met");
    is_at_relay(&mut here, "hello, we have not met");
    // A line behind the first letter goes in one of those that follow it.
    here.types("and one more");
    is_at_relay(&mut here, "and one more");
    here.types(":relay");
    here.sees("nobody has answered yet: bob");
    here.types(":quit");
    here.ends();

    let mut there = bob.starts(&[]);
    there.sees("alice has come by your invitation, in a letter, not verified: SHA256:");
    there.sees("and one more");
    let said = there.output();
    let said: Vec<_> = said.lines().filter_map(|row| Some(row.split_once(" says: ")?.1)).collect();
    assert_eq!(said, ["hello, we have not met", "and one more"], "{}", there.output());
    there.types(":invite list");
    there.sees("used by alice");
    there.types(":to alice");
    there.types("nice to read you");
    is_at_relay(&mut there, "nice to read you");
    there.types(":quit");
    there.ends();

    let mut here = alice.starts(&[]);
    here.sees("bob has answered: what goes to bob by the relay from here on is not signed");
    here.sees("nice to read you");
    here.types(":outbox");
    here.sees("no messages are waiting");
    here.types(":quit");
    assert_eq!(here.ends(), 0);
    Ok(())
}

/// Bundle of a test key that offers a new key for so many milliseconds from now.
fn bundle(key: &str, number: u64, lasts_ms: u64) -> Vec<u8> {
    let pem = std::fs::read_to_string(root(&format!("tests/keys/{key}"))).unwrap();
    let expires_ms = now_ms() + lasts_ms;
    let key = LetterKey::generate(&Seed::new([7; 32])).public();
    Bundle::sign(&Identity::from_pem(&pem, None).unwrap(), number, &OfferedKey { key, expires_ms })
}

/// First letter to a bundle by a token that nobody has given.
fn uninvited(bundle: &[u8], of: &Fingerprint) -> Vec<u8> {
    let pem = std::fs::read_to_string(root("tests/keys/test-4.pem")).unwrap();
    let writer = Identity::from_pem(&pem, None).unwrap();
    let bundle = Bundle::read(bundle, of, now_ms()).unwrap();
    let (epoch, chain) = (Epoch([1; 16]), Chain::START);
    let letter = LetterBody {
        number: now_ms(),
        opened: 0,
        reads: 0,
        key: LetterKey::generate(&Seed::new([8; 32])).public().as_bytes().try_into().unwrap(),
        expires_ms: now_ms() + 1_000_000,
        chain,
        resume: Resume { epoch, oldest: 1, next: 1, your_epoch: Epoch::NONE, last: 0, chain },
        records: Vec::new(),
    };
    let body = FirstLetterBody { token: Token::new([1; 16]), name: b"mallory".to_vec(), letter };
    let content = body.write(bundle.overhead(writer.public())).unwrap();
    bundle.seal(&writer, &content, &Seed::new([9; 32])).0
}

fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    now.as_millis().try_into().unwrap()
}

pub(crate) fn hostile() -> Result<(), Failed> {
    let (site, node) = Site::with_node();
    let at = [node.at.clone()];
    let (alice, bob) = (Person::new(&site, "alice", &at), Person::new(&site, "bob", &at));
    let mut there = bob.starts(&[]);
    there.sees("connected to the relay");
    let url = invitation(&site, &node, &mut there, "--once");
    let read: Invitation = url.parse().unwrap();
    let inbox = read.relay.unwrap().inbox;

    // Anybody may leave bundles: what is none, that of another, an old one of his, one that expires
    // too late.
    let mut mallory = Client::new(&site, &node, "alice");
    let name = bundle_name(&read.key);
    let own = mallory.bundles(&name).remove(0);
    let day = 24 * 60 * 60 * 1_000;
    let forged = [
        b"no bundle".to_vec(),
        bundle("test-1.pem", u64::MAX, day),
        bundle("test-2.pem", 1, day),
        bundle("test-2.pem", u64::MAX, 9 * day),
        own.iter().map(|byte| byte ^ 1).collect(),
    ];
    for (ticket, bundle) in (1..).zip(&forged) {
        mallory.leave_bundle(ticket, &name, bundle);
    }
    assert_eq!(mallory.bundles(&name), [vec![own.clone()], forged.to_vec()].concat());

    let mut here = alice.starts(&[]);
    here.sees("connected to the relay");
    here.types(&format!(":connect {url}"));
    here.sees("lines to bob go to the relay now");
    here.types("hello, we have not met");
    there.sees("alice has come by your invitation, in a letter");
    there.sees("hello, we have not met");

    // The same letter again, and one of which a byte is another, show nothing.
    mallory.mailbox.watch(mallory.now(), inbox.as_str(), 0, None);
    let (_, letter) = mallory.read(1).remove(0);
    mallory.mailbox.unwatch(inbox.as_str());
    let mut damaged = letter.clone();
    *damaged.last_mut().unwrap() ^= 1;
    for (ticket, letter) in [(11, &letter), (12, &damaged), (13, &letter), (14, &b"no letter".to_vec())] {
        mallory.leave(ticket, inbox.as_str(), letter);
    }
    // Another key has the token, and it is used up.
    let carol = Person { home: Home::with_key("carol", "test-3.pem"), ..Person::new(&site, "alice", &at) };
    let mut third = carol.starts(&[]);
    third.sees("connected to the relay");
    third.types(&format!(":connect {url}"));
    third.sees("lines to bob go to the relay now");
    third.types("let me in");
    there.sees("that somebody else has used before");
    here.types("a line behind all that");
    there.sees("a line behind all that");
    let said = there.output();
    let said: Vec<_> = said.lines().filter_map(|row| Some(row.split_once(" says: ")?.1)).collect();
    assert_eq!(said, ["hello, we have not met", "a line behind all that"], "{}", there.output());
    assert_eq!(there.output().matches("has come by your invitation").count(), 1, "{}", there.output());
    assert!(!there.output().contains("carol"), "{}", there.output());

    // What was read is known after a new start too.
    there.types(":quit");
    there.ends();
    mallory.leave(15, inbox.as_str(), &letter);
    let mut there = bob.starts(&[]);
    there.sees("connected to the relay");
    there.types(":to alice");
    there.types("welcome");
    here.sees("bob has answered");
    here.sees("welcome");
    assert!(!there.output().contains("hello, we have not met"), "{}", there.output());
    assert!(!there.output().contains("has come by your invitation"), "{}", there.output());

    // Nor does the letter of somebody who was forgotten come back, though its token is still his.
    for process in [&mut here, &mut there] {
        eventually("both have what was said", PATIENCE, || {
            process.types(":outbox");
            process.has_seen("no messages are waiting")
        });
    }
    there.types(":forget alice");
    there.sees("alice is forgotten");
    mallory.leave(16, inbox.as_str(), &letter);
    mallory.leave(17, inbox.as_str(), &uninvited(&own, &read.key));
    there.sees("a letter came with an invitation that is not kept here");
    assert!(!there.output().contains("hello, we have not met"), "{}", there.output());
    assert!(!there.output().contains("has come by your invitation"), "{}", there.output());
    for mut process in [here, there, third] {
        process.types(":quit");
        process.ends();
    }
    Ok(())
}
