//! A wire with faults: a proxy for one connection that splits, flips or cuts what passes, and
//! remembers it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Mutex;
use std::thread::{self, JoinHandle};

use socket2::{Domain, Socket, Type};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// From the one who called.
    Out,
    /// To the one who called.
    Back,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    None,
    /// Every byte is a segment of its own.
    OneByOne,
    /// One bit of the byte at this place is turned.
    Flip(Direction, usize),
    /// After this many bytes both sides see the end.
    Cut(Direction, usize),
}

/// One connection's wire.
pub struct FaultyWire {
    pub at: String,
    running: JoinHandle<(Vec<u8>, Vec<u8>)>,
}

impl FaultyWire {
    /// A wire to `target`, which sees the caller come from the `number`th loopback address: limits
    /// by source are for another test.
    pub fn to(target: &str, number: usize, fault: Fault) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let at = listener.local_addr().unwrap().to_string();
        let target = target.parse().unwrap();
        let running = thread::spawn(move || {
            let (caller, _) = listener.accept().unwrap();
            run(caller, call_from(number, target), fault)
        });
        Self { at, running }
    }

    /// What passed each direction, once both sides are gone.
    pub fn passed(self) -> (Vec<u8>, Vec<u8>) {
        self.running.join().unwrap()
    }
}

/// A call from the `number`th loopback address.
pub fn call_from(number: usize, target: SocketAddr) -> TcpStream {
    let [_, _, high, low] = u32::try_from(number).unwrap().to_be_bytes();
    call_from_ip(Ipv4Addr::new(127, 0, high.wrapping_add(1), low), target)
}

pub fn call_from_ip(source: Ipv4Addr, target: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
    socket.connect(&target.into()).unwrap();
    socket.into()
}

fn run(near: TcpStream, far: TcpStream, fault: Fault) -> (Vec<u8>, Vec<u8>) {
    let (out, back) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let (from, to) = (far.try_clone().unwrap(), near.try_clone().unwrap());
    thread::scope(|scope| {
        scope.spawn(|| carry(from, to, Direction::Back, fault, &back));
        carry(near, far, Direction::Out, fault, &out);
    });
    (taken(&out), taken(&back))
}

fn taken(passed: &Mutex<Vec<u8>>) -> Vec<u8> {
    std::mem::take(&mut passed.lock().unwrap())
}

fn carry(
    mut from: TcpStream,
    mut to: TcpStream,
    direction: Direction,
    fault: Fault,
    passed: &Mutex<Vec<u8>>,
) {
    to.set_nodelay(true).unwrap();
    let mut buffer = [0; 4096];
    let mut before = 0;
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let mut bytes = &mut buffer[..count];
        let mut cut = false;
        match fault {
            Fault::Flip(there, at) if there == direction && (before..before + count).contains(&at) => {
                bytes[at - before] ^= 1;
            }
            Fault::Cut(there, at) if there == direction && at < before + count => {
                bytes = &mut bytes[..at - before];
                cut = true;
            }
            _ => {}
        }
        passed.lock().unwrap().extend_from_slice(bytes);
        let sent = match fault {
            Fault::OneByOne => bytes.iter().try_for_each(|byte| to.write_all(&[*byte])),
            _ => to.write_all(bytes),
        };
        if cut || sent.is_err() {
            // The ends may be gone already.
            let _ = to.shutdown(Shutdown::Both);
            let _ = from.shutdown(Shutdown::Both);
            return;
        }
        before += count;
    }
    let _ = to.shutdown(Shutdown::Write);
}
