//! SOCKS 5 server of the tests: it makes every connection to one listener, whatever it is asked
//! for, and notes what that was.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use super::PATIENCE;
use super::socket;
use super::watch::Watched;

/// What a caller asked a proxy for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked {
    /// Host and port as they were sent.
    pub address: String,
    /// User and password, where the proxy wanted them.
    pub login: Option<(String, String)>,
}

/// Behaviour of a proxy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Manners {
    /// It connects to a listener.
    Connects(String),
    /// The same, and wants a user and a password.
    WantsLogin(String),
    /// The same, one byte after another.
    ConnectsByteByByte(String),
    /// It answers so, and hangs up.
    Refuses(u8),
    /// It takes neither callers with a password nor those without one.
    TakesNobody,
    /// It hangs up after so many bytes of its answers.
    HangsUpAfter(usize),
}

pub struct Socks {
    /// Its address.
    pub at: String,
    asked: Arc<Watched<Vec<Asked>>>,
}

impl Socks {
    pub fn that(manners: Manners) -> Self {
        let (listener, at) = socket();
        let asked = Arc::new(Watched::new(Vec::new()));
        let noted = Arc::clone(&asked);
        thread::spawn(move || serve(&listener, &manners, &noted));
        Self { at, asked }
    }

    /// The URL of the proxy.
    pub fn url(&self) -> String {
        format!("socks5h://{}", self.at)
    }

    /// Everything that it was asked for.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.look(Clone::clone)
    }
}

fn serve(listener: &TcpListener, manners: &Manners, asked: &Arc<Watched<Vec<Asked>>>) {
    for caller in listener.incoming() {
        let Ok(caller) = caller else { return };
        let (manners, asked) = (manners.clone(), Arc::clone(asked));
        // A caller that gives up ends its own connection only.
        thread::spawn(move || answer(caller, &manners, &asked));
    }
}

fn answer(mut caller: TcpStream, manners: &Manners, asked: &Watched<Vec<Asked>>) -> io::Result<()> {
    caller.set_read_timeout(Some(PATIENCE))?;
    let mut budget = if let Manners::HangsUpAfter(bytes) = manners { *bytes } else { usize::MAX };
    let mut say = |caller: &mut TcpStream, bytes: &[u8]| {
        let now = bytes.get(..budget).unwrap_or(bytes);
        budget -= now.len().min(budget);
        if matches!(manners, Manners::ConnectsByteByByte(_)) {
            caller.set_nodelay(true)?;
            now.iter().try_for_each(|byte| caller.write_all(&[*byte]))?;
        } else {
            caller.write_all(now)?;
        }
        if now.len() < bytes.len() {
            Err(io::ErrorKind::ConnectionAborted.into())
        } else {
            Ok::<_, io::Error>(())
        }
    };
    let [_, count] = read(&mut caller)?;
    let mut methods = vec![0; count.into()];
    caller.read_exact(&mut methods)?;
    let mut login = None;
    match manners {
        Manners::TakesNobody => return say(&mut caller, &[5, 0xff]),
        Manners::WantsLogin(_) => {
            assert!(methods.contains(&2));
            say(&mut caller, &[5, 2])?;
            let [1] = read(&mut caller)? else { panic!("no login") };
            login = Some((field(&mut caller)?, field(&mut caller)?));
            say(&mut caller, &[1, 0])?;
        }
        _ => say(&mut caller, &[5, 0])?,
    }
    let [5, 1, 0, kind] = read(&mut caller)? else { panic!("no request") };
    let host = match kind {
        1 => std::net::Ipv4Addr::from(read::<4>(&mut caller)?).to_string(),
        3 => field(&mut caller)?,
        _ => format!("[{}]", std::net::Ipv6Addr::from(read::<16>(&mut caller)?)),
    };
    let port = u16::from_be_bytes(read(&mut caller)?);
    asked.change(|all| all.push(Asked { address: format!("{host}:{port}"), login }));
    let listener = match manners {
        Manners::Refuses(reply) => return say(&mut caller, &[5, *reply, 0, 1, 0, 0, 0, 0, 0, 0]),
        Manners::Connects(at) | Manners::WantsLogin(at) | Manners::ConnectsByteByByte(at) => at,
        Manners::TakesNobody | Manners::HangsUpAfter(_) => "",
    };
    let there = if listener.is_empty() { None } else { Some(TcpStream::connect(listener)?) };
    // Of a name as long as it likes.
    say(&mut caller, &[&[5, 0, 0, 3, 4][..], b"here", &[0, 9]].concat())?;
    let Some(there) = there else { return Ok(()) };
    caller.set_read_timeout(None)?;
    let (from, to) = (caller.try_clone()?, there.try_clone()?);
    thread::spawn(move || pass(from, to));
    pass(there, caller);
    Ok(())
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}

fn read<const N: usize>(stream: &mut TcpStream) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn field(stream: &mut TcpStream) -> io::Result<String> {
    let [length] = read(stream)?;
    let mut bytes = vec![0; length.into()];
    stream.read_exact(&mut bytes)?;
    String::from_utf8(bytes).map_err(io::Error::other)
}
