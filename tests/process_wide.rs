//! Descriptor limits, signals and a terminal's end, which belong to the whole process: no test here
//! runs beside another, and none starts a program that would inherit a descriptor.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails there")]

mod support;

use rsachat::ids::ConnId;
use std::fs::File;
use std::io::{Read, Seek};
use std::net::TcpStream;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use portable_pty::{PtySize, native_pty_system};
use rsachat::net::lines::Lines;
use rsachat::net::process::{Signal, Signals, disable_core_dumps, raise_fd_limit};
use rsachat::net::{Net, NetEvent};
use rustix::process::{Resource, Rlimit, getpid, getrlimit, kill_process, setrlimit};

use support::net::Harness;
use support::{PATIENCE, eventually, heed_interrupts};

/// 200 ms are asked for; the rest is for a machine that is busy. Nothing else that the loop does by
/// itself would come in that time.
const SOON: Duration = Duration::from_secs(5);

/// Runs a test while no other runs, and until every descriptor that it opened is closed. A thread
/// of the next test may be starting, and the allocator of the system opens a file then: the first
/// count may be one too high, and any count may be for a moment.
fn alone(test: impl FnOnce()) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap();
    let before = open_descriptors();
    test();
    eventually("its descriptors are closed", PATIENCE, || open_descriptors() <= before);
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Processor time of this thread in nanoseconds; the file is opened while there are descriptors.
fn thread_time_ns(stat: &mut File) -> u64 {
    let mut text = String::new();
    stat.rewind().unwrap();
    stat.read_to_string(&mut text).unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

/// Runs the loop until this moment; links accepted, links ended, and times that famine was told.
fn run(net: &mut Net, until: Instant, enough: usize) -> (Vec<ConnId>, Vec<ConnId>, usize) {
    let (mut accepted, mut ended, mut famines, mut events) = (Vec::new(), Vec::new(), 0, Vec::new());
    while Instant::now() < until && accepted.len() + ended.len() < enough {
        net.wait(Some(until), &mut events).unwrap();
        for event in events.drain(..) {
            match event {
                NetEvent::Accepted { conn: link, .. } => accepted.push(link),
                NetEvent::Ended { conn: link } => ended.push(link),
                NetEvent::OutOfFds { open } => {
                    assert_eq!(open, net.links());
                    famines += 1;
                }
                other => panic!("{other:?}"),
            }
        }
    }
    (accepted, ended, famines)
}

#[test]
fn callers_wait_out_a_famine_and_are_served_as_soon_as_descriptors_are_free() {
    alone(|| {
        let Harness { mut net, addr, .. } = Harness::new();
        let mut callers: Vec<_> = (0..60).map(|_| TcpStream::connect(addr).unwrap()).collect();
        let mut stat = File::open("/proc/thread-self/schedstat").unwrap();
        // Thirty-five more descriptors than are open, whatever the test itself holds.
        let before = getrlimit(Resource::Nofile);
        let highest = std::os::fd::AsRawFd::as_raw_fd(&stat);
        let current = Some(u64::try_from(highest).unwrap() + 1 + 35);
        setrlimit(Resource::Nofile, Rlimit { current, ..before }).unwrap();

        let (served, _, famines) = run(&mut net, Instant::now() + PATIENCE, 35);
        assert_eq!((served.len(), net.links()), (35, 35));

        // A second of famine: told once, and next to no processor time.
        let used = thread_time_ns(&mut stat);
        let (more, _, more_famines) = run(&mut net, Instant::now() + Duration::from_secs(1), 1);
        let used = thread_time_ns(&mut stat) - used;
        assert_eq!((more.len(), famines + more_famines), (0, 1));
        assert!(used < 50_000_000, "{used} ns in one second");

        // One leaves: its place is taken at once, and nobody else has to call for that.
        let freed = Instant::now();
        net.abort(served[0]);
        let (served_next, _, _) = run(&mut net, freed + PATIENCE, 1);
        assert_eq!(served_next.len(), 1);
        assert!(freed.elapsed() < SOON, "{:?}", freed.elapsed());

        // A descriptor that was not a link's is found by the retry.
        let spare = callers.remove(0);
        let freed = Instant::now();
        drop(spare);
        let (served_next, _, _) = run(&mut net, freed + PATIENCE, 1);
        assert_eq!(served_next.len(), 1);
        assert!(freed.elapsed() < SOON, "{:?}", freed.elapsed());

        // All that were served leave: all that waited are served.
        for link in served {
            net.abort(link);
        }
        let (rest, _, _) = run(&mut net, Instant::now() + PATIENCE, 60 - 37);
        assert_eq!(rest.len(), 60 - 37);
        setrlimit(Resource::Nofile, before).unwrap();
    });
}

#[test]
fn five_thousand_calls_that_say_nothing_leave_nothing_behind() {
    alone(|| {
        let Harness { mut net, addr, .. } = Harness::new();
        let before = open_descriptors();
        for _ in 0..100 {
            for _ in 0..50 {
                TcpStream::connect(addr).unwrap();
            }
            let (mut accepted, mut ended) = (0, 0);
            let until = Instant::now() + PATIENCE;
            while accepted + ended < 100 {
                assert!(Instant::now() < until, "{accepted} accepted, {ended} ended");
                let (came, left, _) = run(&mut net, until, 1);
                accepted += came.len();
                ended += left.len();
                for link in left {
                    net.close(link);
                }
            }
        }
        let mut events = Vec::new();
        for _ in 0..100 {
            if net.links() == 0 {
                break;
            }
            net.wait(Some(Instant::now() + Duration::from_millis(20)), &mut events).unwrap();
        }
        assert_eq!(net.links(), 0);
        eventually("all descriptors are closed", PATIENCE, || open_descriptors() <= before);
    });
}

#[test]
fn the_soft_limit_can_be_raised_to_the_hard_one() {
    alone(|| {
        let before = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: Some(256), ..before }).unwrap();
        assert_eq!(raise_fd_limit().unwrap(), before.maximum);
        setrlimit(Resource::Nofile, before).unwrap();
    });
}

#[test]
fn a_terminal_that_hangs_up_is_the_end() {
    alone(|| {
        let pair = native_pty_system().openpty(PtySize::default()).unwrap();
        let terminal = File::open(pair.master.tty_name().unwrap()).unwrap();
        let mut harness = Harness::new();
        let lines = Lines::of(terminal, harness.net.waker()).unwrap();
        drop(pair);
        assert_eq!(harness.line(&lines), "end");
    });
}

#[test]
fn signals_wake_the_loop_and_do_not_end_the_process() {
    alone(|| {
        // It reads a file: another test that counts descriptors would count that.
        heed_interrupts();
        let mut harness = Harness::new();
        let signals = Signals::start(harness.net.waker()).unwrap();
        for (raised, expected) in [
            (rustix::process::Signal::TERM, Signal::Terminate),
            (rustix::process::Signal::INT, Signal::Interrupt),
            (rustix::process::Signal::HUP, Signal::HangUp),
        ] {
            kill_process(getpid(), raised).unwrap();
            let caught = loop {
                if let Some(signal) = signals.next() {
                    break signal;
                }
                assert!(matches!(harness.next(), NetEvent::Woken));
            };
            assert_eq!(caught, expected);
        }
        drop(signals);
        kill_process(getpid(), rustix::process::Signal::INT).unwrap();
    });
}

#[cfg(target_os = "linux")]
#[test]
fn the_memory_of_the_process_is_neither_dumped_nor_read_by_others() {
    use rustix::process::{DumpableBehavior, dumpable_behavior, set_dumpable_behavior};
    alone(|| {
        disable_core_dumps().unwrap();
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
        assert_eq!(getrlimit(Resource::Core).maximum, Some(0));
        set_dumpable_behavior(DumpableBehavior::Dumpable).unwrap();
    });
}
