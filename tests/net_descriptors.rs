//! What the machine floor does when descriptors run out, and that it loses none. Apart from the other tests,
//! since the limit and the count are the whole process's.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers as well")]

use rsachat::ids::ConnId;
use std::fs::File;
use std::io::{Read, Seek};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rsachat::net::process::raise_fd_limit;
use rsachat::net::{Net, NetEvent, SourceLimiter, Stack};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Both tests are about the same numbers.
static ALONE: Mutex<()> = Mutex::new(());
const LIMIT: Duration = Duration::from_mins(1);
/// 200 ms are asked for; the rest is for a machine that is busy. Nothing else that the loop does by itself would come
/// in that time.
const SOON: Duration = Duration::from_secs(5);

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

fn listening() -> (Net, SocketAddr) {
    let mut net = Net::new().unwrap();
    net.set_sources(SourceLimiter::unlimited());
    let (_, addr) = net.listen("127.0.0.1:0".parse().unwrap(), Stack::AsGiven).unwrap();
    (net, addr)
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
    let _alone = ALONE.lock().unwrap();
    let (mut net, addr) = listening();
    let mut callers: Vec<_> = (0..60).map(|_| TcpStream::connect(addr).unwrap()).collect();
    let mut stat = File::open("/proc/thread-self/schedstat").unwrap();
    // Thirty-five more descriptors than are open, whatever the test itself holds.
    let before = getrlimit(Resource::Nofile);
    let highest = std::os::fd::AsRawFd::as_raw_fd(&stat);
    let current = Some(u64::try_from(highest).unwrap() + 1 + 35);
    setrlimit(Resource::Nofile, Rlimit { current, ..before }).unwrap();

    let (served, _, famines) = run(&mut net, Instant::now() + LIMIT, 35);
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
    let (served_next, _, _) = run(&mut net, freed + LIMIT, 1);
    assert_eq!(served_next.len(), 1);
    assert!(freed.elapsed() < SOON, "{:?}", freed.elapsed());

    // A descriptor that was not a link's is found by the retry.
    let spare = callers.remove(0);
    let freed = Instant::now();
    drop(spare);
    let (served_next, _, _) = run(&mut net, freed + LIMIT, 1);
    assert_eq!(served_next.len(), 1);
    assert!(freed.elapsed() < SOON, "{:?}", freed.elapsed());

    // All that were served leave: all that waited are served.
    for link in served {
        net.abort(link);
    }
    let (rest, _, _) = run(&mut net, Instant::now() + LIMIT, 60 - 37);
    assert_eq!(rest.len(), 60 - 37);
    setrlimit(Resource::Nofile, before).unwrap();
}

#[test]
fn five_thousand_calls_that_say_nothing_leave_nothing_behind() {
    let _alone = ALONE.lock().unwrap();
    let (mut net, addr) = listening();
    let before = open_descriptors();
    for _ in 0..100 {
        for _ in 0..50 {
            TcpStream::connect(addr).unwrap();
        }
        let (mut accepted, mut ended) = (0, 0);
        let until = Instant::now() + LIMIT;
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
    assert_eq!((net.links(), open_descriptors()), (0, before));
}

#[test]
fn the_soft_limit_can_be_raised_to_the_hard_one() {
    let _alone = ALONE.lock().unwrap();
    let before = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(256), ..before }).unwrap();
    assert_eq!(raise_fd_limit().unwrap(), before.maximum);
    setrlimit(Resource::Nofile, before).unwrap();
}
