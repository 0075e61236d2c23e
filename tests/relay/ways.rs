//! Ways to a relay: a proxy, which alone looks the name up, and a command.

use std::fs;

use libtest_mimic::Failed;

use crate::letters::{Person, acquainted};
use crate::site::{Node, Site};
use crate::support::socks::{Manners, Socks};
use crate::support::{PATIENCE, eventually};

/// A relay that no resolver knows (RFC 6761).
const UNKNOWN: &str = "relay.invalid:4222";
/// A command that passes bytes as nc does, and ends with either side.
const NC: &str = "bash -c 'exec 3<>/dev/tcp/%h/%p; cat <&3 & cat <&0 >&3 & wait -n; kill $(jobs -p); exit 0'";

fn relay() -> (Site, Node) {
    let (site, node) = Site::with_node();
    (site, node)
}

/// A person whose settings have this besides.
fn person(site: &Site, user: &str, at: &str, setting: &str) -> Person {
    let person = Person::new(site, user, &[at.to_owned()]);
    let settings = fs::read_to_string(&person.config).unwrap();
    fs::write(&person.config, format!("{settings}{setting}\n")).unwrap();
    person
}

pub(crate) fn reached() -> Result<(), Failed> {
    let (site, node) = relay();
    let socks = Socks::that(Manners::ConnectsByteByByte(node.at.clone()));
    let via = format!("via = [{{peer = \"bob\", via = \"none\"}}, {{via = \"{}\"}}]", socks.url());
    // The way of all calls is that to the relay.
    let alice = person(&site, "alice", UNKNOWN, &via);
    let bob = person(&site, "bob", &node.at, &format!("relay-via = \"\"\"{NC}\"\"\""));
    let mut here = alice.starts(&[]);
    here.sees(&format!("connected to the relay nats://{UNKNOWN}"));
    here.types(":relay");
    here.sees(&format!("relay nats://{UNKNOWN} via {}, state connected", socks.url()));
    here.types(":quit");
    assert_eq!(here.ends(), 0);
    let asked: Vec<_> = socks.asked().into_iter().map(|asked| asked.address).collect();
    assert!(!asked.is_empty() && asked.iter().all(|address| address == UNKNOWN), "{asked:?}");
    let mut there = bob.starts(&[]);
    there.sees(&format!("connected to the relay nats://{}", node.at));
    there.types(":relay");
    there.sees("via bash -c");
    there.types(":quit");
    assert_eq!(there.ends(), 0);
    // Their calls go directly, so that the two meet.
    let direct = |person: &Person, user: &str| {
        let settings = fs::read_to_string(&person.config).unwrap();
        let settings = settings.replace(&via, &format!("relay-via = \"{}\"", socks.url()));
        fs::write(site.path(&format!("{user}.toml")), settings).unwrap();
    };
    direct(&alice, "alice");
    acquainted(&alice, &bob);
    let config = alice.config.to_str().unwrap();
    alice.home.answer(&["--config", config, "send", "--relay", "bob", "-m", "by a proxy"]);
    let mut there = bob.starts(&[]);
    there.sees("by a proxy");
    there.types(":quit");
    there.ends();
    // A way that fails is told, and the relay is called by no other.
    let nowhere = person(&site, "alice", &node.at, "relay-via = \"echo lost >&2; exit 9 # %h\"");
    let mut here = nowhere.starts(&[]);
    here.sees("the command ended with code 9: lost");
    here.types(":quit");
    here.ends();
    let refusing = Socks::that(Manners::Refuses(5));
    let nowhere = person(&site, "alice", &node.at, &format!("relay-via = \"{}\"", refusing.url()));
    let mut here = nowhere.starts(&[]);
    here.sees(&format!("the proxy {} says: ", refusing.at));
    here.types(":quit");
    here.ends();
    // An onion service is looked up by nobody.
    let onion = person(&site, "alice", "abcdefgh.onion:4222", "");
    let mut here = onion.starts(&[]);
    here.sees("an onion service is reached through Tor alone");
    eventually("it is told in the list", PATIENCE, || {
        here.types(":relay");
        here.has_seen("state an onion service")
    });
    here.types(":quit");
    here.ends();
    Ok(())
}

pub(crate) fn doctor() -> Result<(), Failed> {
    let (site, node) = relay();
    let socks = Socks::that(Manners::Connects(node.at.clone()));
    let (unknown, url) = (format!("nats://{UNKNOWN}"), socks.url());
    let rows = [
        &*format!("ok       proxy      {} accepts the call", socks.at),
        &format!("ok       relay      the proxy has connected to {unknown}"),
        "ok       letters    stream RC takes and gives messages",
    ];
    site.doctor_says(&unknown, Some("alice"), &["--via", &url], 0, &rows);
    assert_eq!(socks.asked()[0].address, UNKNOWN);
    let plain = format!("nats://{}", node.at);
    let rows = ["ok       command    bash -c", "ok       letters    stream RC takes and gives messages"];
    site.doctor_says(&plain, Some("alice"), &["--via", NC], 0, &rows);
    let rows = ["problem  relay", "it says: lost"];
    site.doctor_says(&plain, Some("alice"), &["--via", "echo lost >&2; exit 9 # %h"], 5, &rows);
    let refusing = Socks::that(Manners::Refuses(5));
    let row = format!("problem  way        the proxy {} says: ", refusing.at);
    site.doctor_says(&plain, Some("alice"), &["--via", &refusing.url()], 3, &[&row]);
    let onion = "nats://abcdefgh.onion";
    site.doctor_says(onion, Some("alice"), &[], 3, &["abcdefgh.onion", "Tor"]);
    Ok(())
}
