//! Peers that are not ours: the tutorial's two programs, unchanged, and our pages in Python.
//! They run where `RSACHAT_PYTHON` names an interpreter that has what `requirements.txt` lists;
//! elsewhere they are listed as ignored, by name. `.ci/run` sets it and takes no excuse.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails there")]
#![allow(clippy::print_stdout, reason = "this is the runner of its tests")]

mod bot;
mod home;
mod native;
mod oaep;
mod script;
#[path = "../support/mod.rs"]
mod support;
mod tutorial;

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use libtest_mimic::{Arguments, Trial};

use support::{Home, Process, root};

/// What a thousand messages each way may take on a busy machine.
pub(crate) const LONG: Duration = Duration::from_mins(5);

/// What is said where there is no interpreter.
const HOW_TO_RUN: &str = "\
peers in Python were not run: the tutorial's programs and ours. To run them:
  python3 -m venv target/peers && target/peers/bin/pip install -r tests/peers/requirements.txt
  RSACHAT_PYTHON=target/peers/bin/python cargo test --test peers
";

/// An interpreter with the packages.
#[derive(Clone)]
pub(crate) struct Python(OsString);

impl Python {
    /// One of the tutorial's programs, which finds its port 8000 elsewhere.
    pub(crate) fn tutorial(&self, program: &str, port: &str) -> Process {
        let here = root("tests/peers");
        let mut command = self.command(&here.join("at_port.py"));
        command.arg(port).arg(here.join(program));
        Home::of(program).start_on(command, Stdio::piped())
    }

    /// One of our peers.
    pub(crate) fn peer(&self, program: &str, args: &[&str]) -> Process {
        let mut command = self.command(&root("docs/peers").join(program));
        command.args(args);
        Home::of(program).start_on(command, Stdio::piped())
    }

    /// The interpreter.
    pub(crate) fn path(&self) -> std::borrow::Cow<'_, str> {
        self.0.to_string_lossy()
    }

    fn command(&self, script: &Path) -> Command {
        let mut command = Command::new(&self.0);
        command.args(["-I", "-u"]).arg(script).env("PYTHONUTF8", "1").env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }
}

/// The name of a test, and what it does with an interpreter.
type Story = (&'static str, fn(&Python));

fn main() -> ExitCode {
    let python = std::env::var_os("RSACHAT_PYTHON").filter(|path| !path.is_empty()).map(Python);
    let tests: [Story; 27] = [
        ("the_client_of_the_tutorial_is_heard_and_never_answered", tutorial::client),
        ("the_client_of_the_tutorial_leaves_with_exit", tutorial::client_exit),
        ("the_server_of_the_tutorial_shows_every_line_until_exit", tutorial::server),
        ("lines_from_a_pipe_reach_the_server_of_the_tutorial_one_by_one", tutorial::piped),
        ("send_reaches_the_server_of_the_tutorial_one_by_one", tutorial::sent),
        ("recv_takes_what_the_client_of_the_tutorial_writes", tutorial::received),
        ("a_thousand_messages_each_way_with_the_mended_peer_as_the_listener", oaep::thousand_to_listener),
        ("a_thousand_messages_each_way_with_the_mended_peer_as_the_caller", oaep::thousand_from_caller),
        ("long_texts_and_keys_of_every_size_with_the_mended_peer", oaep::sizes),
        ("the_mended_peer_bears_every_byte_as_a_segment_of_its_own", oaep::one_by_one),
        ("the_page_of_the_raw_wire_shows_what_happens_with_the_mended_peer", oaep::page),
        ("the_bot_of_the_documents_answers_everybody", bot::answers),
        ("a_live_script_is_played_with_the_mended_peer", script::live),
        ("scripts_start_the_peers_themselves", script::spawned),
        ("the_peer_written_from_the_specification_listens", native::listens),
        ("the_peer_written_from_the_specification_calls", native::calls),
        ("the_peer_written_from_the_specification_re_keys", native::rekeys),
        ("the_peer_written_from_the_specification_is_re_keyed", native::is_rekeyed),
        ("the_peer_written_from_the_specification_sends_again_what_a_cut_has_lost", native::sends_again),
        ("the_peer_written_from_the_specification_resumes_in_the_middle", native::resumes_in_the_middle),
        ("the_peer_written_from_the_specification_is_restored_from_a_backup", native::is_restored),
        ("the_peer_written_from_the_specification_takes_files_and_goes_on_after_a_kill", native::takes_files),
        (
            "the_peer_written_from_the_specification_is_let_in_by_an_invitation_and_by_a_knock",
            native::is_let_in,
        ),
        ("a_stranger_takes_the_vectors", native::vectors),
        ("the_peer_written_from_the_specification_opens_letters_and_seals_them", native::letters),
        (
            "the_peer_written_from_the_specification_writes_and_reads_bundles_and_first_letters",
            native::first_letters,
        ),
        ("a_page_of_python_opens_a_home_that_was_exported", home::opens),
    ];
    let trial = |(name, run): Story| {
        let python = python.clone();
        let ignored = python.is_none();
        let run = move || {
            run(&python.ok_or("RSACHAT_PYTHON names no interpreter")?);
            Ok(())
        };
        Trial::test(name, run).with_ignored_flag(ignored)
    };
    let mut tests: Vec<_> = tests.map(trial).into();
    tests.push(Trial::test("the_programs_of_the_tutorial_stand_here_letter_by_letter", || {
        tutorial::unchanged();
        Ok(())
    }));
    let mut arguments = Arguments::from_args();
    // Two cores: more Pythons at once only wait for each other.
    arguments.test_threads = arguments.test_threads.or(Some(2));
    let conclusion = libtest_mimic::run(&arguments, tests);
    if python.is_none() && !arguments.list {
        println!("{HOW_TO_RUN}");
    }
    conclusion.exit_code()
}
