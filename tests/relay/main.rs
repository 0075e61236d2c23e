//! Relay: every configuration of `docs/RELAY.md` on a real `nats-server`, and what `rsachat doctor`
//! says of it, of a cluster that loses its nodes, and of relays that are set up wrong. Where there is
//! no nats-server, or no namespace or tracer for a disk that is full or fails, the tests are listed
//! as ignored, by name.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails there")]
#![allow(clippy::print_stderr, reason = "this is the runner of its tests")]
#![expect(clippy::unnecessary_wraps, reason = "a trial returns a result")]

#[path = "../support/mod.rs"]
mod support;

mod client;
mod commands;
mod first_letter;
mod full_disk;
mod hostile;
mod letters;
mod site;
mod ways;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use rsachat::relay::{ClientOp, Headers, MailboxEvent, PublishRefusal};
use serde_json::Value;

use self::client::Client;
use self::site::{Cluster, Node, Site, Tls, block, program};
use self::support::{Home, PATIENCE, eventually};

fn main() -> ExitCode {
    let there = Command::new(program()).arg("--version").output().is_ok_and(|out| out.status.success());
    if !there {
        eprintln!("relays were not tested: nats-server is not installed");
    }
    let trial =
        |name: &str, test: fn() -> Result<(), Failed>| Trial::test(name, test).with_ignored_flag(!there);
    let tests = vec![
        trial("the_configuration_of_one_node_is_a_relay_and_each_user_of_it_is_told_so", one_node),
        trial("the_configuration_of_three_nodes_is_a_relay_until_two_of_them_are_dead", three_nodes),
        trial("what_is_wrong_with_a_relay_is_said_with_what_to_do", wrong),
        trial("a_log_in_that_may_harm_others_is_found_and_harms_nobody_by_that", rights),
        trial("a_mailbox_leaves_and_reads_letters_and_is_told_what_is_refused", mailbox),
        trial("a_prompt_says_when_relays_are_lost_and_stand_again_and_without_them_none_is_called", prompt),
        trial(
            "two_people_who_are_never_on_together_write_each_other_once_they_have_met",
            letters::never_on_together,
        ),
        trial(
            "a_hundred_letters_each_way_come_once_and_in_order_though_leaders_and_readers_die",
            letters::killed,
        ),
        trial(
            "without_two_of_three_nodes_nothing_is_at_the_relay_and_nothing_is_lost",
            letters::without_quorum,
        ),
        trial("a_line_that_finds_the_inboxes_full_waits_at_home_and_says_so", letters::full),
        trial(
            "what_a_full_disk_cannot_keep_of_a_letter_stays_at_the_relay_and_is_shown_once_there_is_room",
            full_disk::reader,
        )
        .with_ignored_flag(!there || !full_disk::can_be_made()),
        trial("a_disk_that_fails_at_a_commit_of_letters_loses_none_and_shows_none_twice", full_disk::failing)
            .with_ignored_flag(!there || !full_disk::can_fail()),
        trial("letters_are_read_once_a_store_opens_that_could_not_be_opened", full_disk::opened_later),
        trial(
            "a_relay_that_flips_repeats_swaps_and_withholds_shows_nothing_wrong_and_loses_nothing",
            letters::hostile,
        ),
        trial(
            "letters_of_somebody_blocked_wait_and_those_of_somebody_forgotten_are_not_read",
            letters::unwanted,
        ),
        trial("the_end_of_a_prompt_waits_for_the_relay_and_says_what_is_there", commands::quit),
        trial(
            "send_ends_well_once_everything_is_at_the_relay_and_says_that_nobody_has_seen_it",
            commands::send,
        ),
        trial("recv_takes_letters_each_once_over_runs_and_kills", commands::recv),
        trial("serve_takes_letters_of_a_writer_who_is_never_on_together_with_it", commands::serve),
        trial(
            "two_people_who_have_never_met_write_each_other_by_an_invitation_without_being_on_together",
            first_letter::never_met,
        ),
        trial(
            "a_relay_that_forges_bundles_and_repeats_first_letters_changes_nothing_and_a_token_is_used_once",
            first_letter::hostile,
        ),
        trial(
            "a_relay_is_reached_by_a_proxy_or_a_command_and_its_name_is_looked_up_by_nobody_here",
            ways::reached,
        ),
        trial("the_doctor_walks_the_way_to_a_relay", ways::doctor),
        trial("tls_is_never_left_out_and_a_certificate_has_to_be_that_of_the_host", tls),
    ];
    libtest_mimic::run(&Arguments::from_args(), tests).exit_code()
}

const WELL: [&str; 5] = [
    "ok       log-in     as U",
    "ok       letters    stream RC takes and gives messages",
    "ok       bundles    stream RK takes and gives messages",
    "ok       rights     the log-in may neither delete nor change",
    "no problems found",
];

fn one_node() -> Result<(), Failed> {
    let site = Site::new();
    site.make_certificates();
    let node = site.start("n1", &site.configuration("n1", Tls::Documented));
    site.make_streams(&node, Tls::Documented, 1);
    let (url, ca) = (format!("tls://{}", node.at), site.path("ca.pem"));
    let more = ["--relay-ca", ca.to_str().unwrap()];
    for user in ["alice", "bob"] {
        site.doctor_says(&url, Some(user), &more, 0, &WELL);
        site.doctor_says(
            &url,
            Some(user),
            &more,
            0,
            &[", node n1\n", "ok       tls        the certificate is"],
        );
    }
    let config = site.path("config.toml");
    let key = site.key("alice");
    let text =
        format!("relay = [\"{url}\"]\nrelay-key = \"{}\"\nrelay-ca = \"{}\"\n", key.display(), ca.display());
    fs::write(&config, text).unwrap();
    let mut command = site.home.command(&["--config", config.to_str().unwrap()]);
    let output = command.args(["doctor", "--listen", "127.0.0.1:0"]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && WELL.iter().all(|row| said.contains(row)), "{said}");
    // Nothing of all that was left there.
    let state = site.ask(&node, Tls::Documented, "$JS.API.STREAM.INFO.RC", "").unwrap();
    assert_eq!((&state["state"]["messages"], &state["state"]["last_seq"]), (&0.into(), &0.into()), "{state}");
    Ok(())
}

fn three_nodes() -> Result<(), Failed> {
    let site = Site::new();
    let mut cluster = Cluster::start(&site);
    let is_well = |node: &Node| {
        let (code, said) = site.doctor(&format!("nats://{}", node.at), Some("alice"), &[]);
        code == 0 && WELL.iter().all(|row| said.contains(row)) && said.contains(" of cluster relay\n")
    };
    for node in cluster.nodes() {
        eventually("each node is a relay", 3 * PATIENCE, || is_well(node));
    }
    // The leader of the letters dies; the two that are left go on.
    cluster.kill(cluster.leader());
    for node in cluster.nodes() {
        eventually("two nodes are a relay", 3 * PATIENCE, || is_well(node));
    }
    // One alone is none, and says so.
    cluster.kill(cluster.leader());
    let alone = cluster.nodes().next().unwrap();
    eventually("one node of three acknowledges nothing", 3 * PATIENCE, || {
        let (code, said) = site.doctor(&format!("nats://{}", alone.at), Some("alice"), &[]);
        code == 4 && said.contains("fewer than half of its nodes are up")
    });
    Ok(())
}

fn wrong() -> Result<(), Failed> {
    let site = Site::new();
    let node = site.start("n1", &site.configuration("n1", Tls::Without));
    let url = format!("nats://{}", node.at);
    let absent = ["problem  letters    nobody takes messages of stream RC", "docs/RELAY.md"];
    site.doctor_says(&url, Some("alice"), &[], 4, &absent);
    let refused = "problem  log-in     the relay cannot be used: it refuses: Authorization Violation";
    site.doctor_says(&url, None, &[], 4, &[refused, "rsachat key relay FILE makes a key"]);
    let mallory = site.nkey("mallory").public().to_owned();
    site.doctor_says(
        &url,
        Some("mallory"),
        &[],
        4,
        &[refused, &format!("give its operator the key of the log-in: {mallory}")],
    );
    // Not even the log-in is tried where a file cannot be used.
    for (content, mode, why) in [("SUAB\n", 0o600, "is no key of a relay"), ("", 0o644, "0644")] {
        let path = site.path("bad.nk");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        site.doctor_says(&url, Some("bad"), &[], 3, &["problem  relay key", why]);
    }
    site.doctor_says(&url, Some("none"), &[], 3, &["there is no file", "rsachat key relay "]);
    // Streams that are not as they should be.
    site.make_streams(&node, Tls::Without, 1);
    let mut config: Value = serde_json::from_str(&block("json rk.json")).unwrap();
    config["allow_direct"] = false.into();
    let changed = site.ask(&node, Tls::Without, "$JS.API.STREAM.UPDATE.RK", &config.to_string()).unwrap();
    assert!(changed["error"].is_null(), "{changed}");
    site.doctor_says(
        &url,
        Some("alice"),
        &[],
        4,
        &["problem  bundles    nobody gives messages of stream RK", "allow_direct"],
    );
    drop(node);
    let plain = site.configuration("n1", Tls::Without);
    // A server without streams, and one whose users may not receive answers or write.
    let (before, rest) = plain.split_once("jetstream {").unwrap();
    let without = format!("{before}{}", rest.split_once('}').unwrap().1);
    let node = site.start("n1", &without);
    site.doctor_says(
        &format!("nats://{}", node.at),
        Some("alice"),
        &[],
        4,
        &["JetStream is switched off there"],
    );
    drop(node);
    let node = site.start("n1", &plain.replace("_INBOX_", "_OTHER_"));
    let hint =
        format!("the log-in needs permission to subscribe to _INBOX_{}.>", site.nkey("alice").public());
    site.doctor_says(&format!("nats://{}", node.at), Some("alice"), &[], 4, &[&hint]);
    drop(node);
    let node = site.start("n1", &plain.replace("\"rc.in.*\", \"rc.key.*\",", "\"rc.key.*\","));
    site.doctor_says(
        &format!("nats://{}", node.at),
        Some("alice"),
        &[],
        4,
        &["the log-in may not write: ", "it needs permission to publish to rc.in.*"],
    );
    Ok(())
}

fn rights() -> Result<(), Failed> {
    let (site, node) = Site::with_node();
    let kept = site.ask(&node, Tls::Without, "rc.in.someone", "a letter").unwrap();
    assert_eq!(kept["seq"], 1, "{kept}");
    let before = site.ask(&node, Tls::Without, "$JS.API.STREAM.INFO.RC", "").unwrap();
    let rows = [
        "problem  rights     the log-in may do what would harm others: $JS.API.STREAM.PURGE.*, $JS.API.STREAM.DELETE.*",
        "$JS.API.CONSUMER.CREATE.RK, subscriptions to >",
    ];
    site.doctor_says(&format!("nats://{}", node.at), Some("operator"), &[], 4, &rows);
    let after = site.ask(&node, Tls::Without, "$JS.API.STREAM.INFO.RC", "").unwrap();
    assert_eq!((&before["config"], &before["state"]), (&after["config"], &after["state"]));
    assert_eq!(after["state"]["messages"], 1);
    drop(node);
    // A relay that asks for no log-in is usable, and says what that means.
    let open = site.configuration("n1", Tls::Without);
    let node = site.start(
        "n1",
        &format!(
            "{}\nports_file_dir: \"{}\"\n",
            open.split_once("# What every user").unwrap().0,
            site.path("n1").display()
        ),
    );
    let rows = ["warning  log-in     none was needed: anybody", "ok       letters", "problem  rights"];
    site.doctor_says(&format!("nats://{}", node.at), None, &[], 4, &rows);
    Ok(())
}

fn mailbox() -> Result<(), Failed> {
    let (site, node) = Site::with_node();
    let (mut alice, mut bob) = (Client::new(&site, &node, "alice"), Client::new(&site, &node, "bob"));
    let (inbox, other) = ("aaaaaaaaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbbbbbb");
    for (ticket, at) in [(1, inbox), (2, other), (3, inbox)] {
        let said = alice.leave(ticket, at, format!("letter {ticket}").as_bytes());
        assert_eq!(said, MailboxEvent::Published { ticket });
    }
    // The same once more is there already, and is there once.
    assert_eq!(alice.leave(3, inbox, b"letter 3"), MailboxEvent::Published { ticket: 3 });
    bob.mailbox.watch(bob.now(), inbox, 0, None);
    assert_eq!(bob.read(2), [(1, b"letter 1".to_vec()), (3, b"letter 3".to_vec())]);
    // One that has a number reads what is behind it, and then what comes.
    let mut later = Client::new(&site, &node, "bob");
    later.mailbox.watch(later.now(), inbox, 1, None);
    assert_eq!(later.read(1), [(3, b"letter 3".to_vec())]);
    let began = Instant::now();
    assert_eq!(alice.leave(4, inbox, &vec![7; 63_488]), MailboxEvent::Published { ticket: 4 });
    assert_eq!((bob.read(1), later.read(1)), (vec![(4, vec![7; 63_488])], vec![(4, vec![7; 63_488])]));
    assert!(began.elapsed() < Duration::from_secs(30), "it was not the look that is made each minute");
    // Fields of a writer pass for nobody else's.
    let headers = Headers::default().with("Nats-Sequence", "9000").with("Nats-Subject", "rc.in.x");
    let mut forged = Vec::new();
    let subject = format!("rc.in.{inbox}");
    ClientOp::Publish { subject: &subject, reply: None, headers, payload: b"forged" }.write(&mut forged);
    alice.tcp.write_all(&forged).unwrap();
    assert_eq!(bob.read(1), [(5, b"forged".to_vec())]);
    // An inbox that is full refuses, and others do not.
    site.limit_inboxes(&node, 4);
    let full = MailboxEvent::Refused { ticket: 6, why: PublishRefusal::InboxFull };
    assert_eq!(alice.leave(6, inbox, b"too many"), full);
    assert_eq!(alice.leave(7, other, b"letter 7"), MailboxEvent::Published { ticket: 7 });
    Ok(())
}

/// Names of the threads of a process.
fn threads(process: &support::Process) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{}/task", process.id())).unwrap();
    let name = |task: fs::DirEntry| fs::read_to_string(task.path().join("comm")).unwrap_or_default();
    tasks.map(|task| name(task.unwrap()).trim_end().to_owned()).collect()
}

fn prompt() -> Result<(), Failed> {
    let site = Site::new();
    let configuration = site.configuration("n1", Tls::Without);
    let node = site.start("n1", &configuration);
    let at = node.at.clone();
    let mut without = site.home.start(&["--plain"]);
    without.types(":relay");
    without.sees("no relay is set; relay = [\"tls://HOST\"] in the settings names one");
    assert!(!threads(&without).contains(&"relay".to_owned()));
    let config = site.path("config.toml");
    let key = site.key("alice");
    fs::write(&config, format!("relay = \"nats://{at}\"\nrelay-key = \"{}\"\n", key.display())).unwrap();
    let minji = Home::of("minji");
    let mut prompt = minji.start(&["--config", config.to_str().unwrap(), "--plain"]);
    let connected = format!("note: connected to the relay nats://{at}");
    prompt.sees(&connected);
    assert!(threads(&prompt).contains(&"relay".to_owned()));
    prompt.types(":status");
    prompt.sees_times(&format!("connected to the relay nats://{at}"), 2, PATIENCE);
    drop(node);
    let lost = format!("note: no relay is connected, and they are tried again: nats://{at}: ");
    prompt.sees(&lost);
    prompt.types(":relay");
    let row = format!("relay nats://{at}, state ");
    prompt.sees(&row);
    let node = site.start("n1", &configuration.replace("127.0.0.1:-1", &at));
    prompt.sees_times(&connected, 2, 2 * PATIENCE);
    assert_eq!(prompt.output().matches(&lost).count(), 1, "{}", prompt.output());
    drop(node);
    prompt.types(":quit");
    assert_eq!(prompt.ends(), 0);
    Ok(())
}

fn tls() -> Result<(), Failed> {
    let site = Site::new();
    site.make_certificates();
    let node = site.start("n1", &site.configuration("n1", Tls::Documented));
    let url = format!("tls://{}", node.at);
    let is_untrusted = ["problem  tls        TLS is not possible: ", "--relay-ca FILE"];
    // Whatever the system trusts, it is not this authority; nor is an older one.
    site.doctor_says(
        &url,
        Some("alice"),
        &["--relay-ca", system_roots(&site).to_str().unwrap()],
        4,
        &is_untrusted,
    );
    let ca = site.path("ca.pem");
    let more = ["--relay-ca", ca.to_str().unwrap()];
    let other_host = url.replace("127.0.0.1", "localhost");
    site.doctor_says(&other_host, Some("alice"), &more, 4, &["problem  tls        TLS is not possible: "]);
    let requires = ["problem  tls        the relay requires TLS", "write its address with tls://"];
    site.doctor_says(&url.replace("tls", "nats"), Some("alice"), &more, 4, &requires);
    let broken = site.path("broken.pem");
    fs::write(&broken, "no certificate").unwrap();
    site.doctor_says(
        &url,
        Some("alice"),
        &["--relay-ca", broken.to_str().unwrap()],
        3,
        &["problem  relay ca"],
    );
    drop(node);
    let node = site.start("n1", &site.configuration("n1", Tls::Without));
    let rows = ["problem  tls        the relay has no TLS, so nothing was sent to it"];
    site.doctor_says(&format!("tls://{}", node.at), Some("alice"), &more, 4, &rows);
    assert!(!site.log("n1").contains("uthorization"), "not even a log-in");
    Ok(())
}

/// An authority that has signed nothing here.
fn system_roots(site: &Site) -> PathBuf {
    let other = tempfile::tempdir().unwrap();
    let there = Site { folder: other, home: site.home.clone() };
    there.make_certificates();
    let kept = site.path("other.pem");
    fs::copy(there.path("ca.pem"), &kept).unwrap();
    Path::new(&kept).to_owned()
}
