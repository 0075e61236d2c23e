//! Listening on a name: on every address that it has, and on one port.

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _};
use std::process::Stdio;

use crate::support::{Home, Process};

/// The addresses of `localhost` that this machine has: `[::1]` and `127.0.0.1` where its hosts file
/// and its network are as usual.
fn addresses() -> Vec<IpAddr> {
    let found = ("localhost", 0).to_socket_addrs().unwrap().filter(|addr| TcpListener::bind(addr).is_ok());
    let mut addresses: Vec<_> = found.map(|addr| addr.ip()).collect();
    addresses.dedup();
    addresses
}

/// Checks that a row names every address with one port, and that each is listened on. Gives the
/// port.
fn check(row: &str) -> u16 {
    let is_address = |word: &str| word.parse::<SocketAddr>().ok();
    let shown: Vec<SocketAddr> = row.split([' ', '"']).filter_map(is_address).collect();
    let port = shown.first().unwrap_or_else(|| panic!("no address: {row}")).port();
    for ip in addresses() {
        let addr = SocketAddr::new(ip, port);
        assert!(shown.contains(&addr), "{row} does not name {addr}");
        TcpStream::connect(addr).unwrap_or_else(|error| panic!("{row}, {addr}: {error}"));
    }
    port
}

#[test]
fn every_front_end_listens_on_every_address_of_a_name_and_on_one_port() {
    let home = Home::of("민지");
    let mut prompt = home.start(&["--listen", "localhost:0"]);
    let port = check(&prompt.sees("listening on "));
    prompt.types(":listen localhost:0");
    prompt.sees_times("listening on ", 2, crate::support::PATIENCE);
    let second = prompt.output().lines().rfind(|row| row.contains("listening on ")).unwrap().to_owned();
    assert_ne!(check(&second), port);
    prompt.types(":status");
    check(&prompt.sees("listening on "));
    // The same name again, or an address of it.
    prompt.types(&format!(":listen localhost:{port}"));
    prompt.sees("you are already listening on ");
    prompt.types(&format!(":listen 127.0.0.1:{port}"));
    prompt.sees(&format!("you are already listening on 127.0.0.1:{port}"));

    for args in [&["recv", "--listen", "localhost:0"][..], &["pipe", "--listen", "localhost:0"]] {
        let process = home.run(args, Stdio::piped());
        check(&process.complains("listening on "));
    }
    let bot = home.start(&["--json", "--listen", "localhost:0"]);
    check(&bot.sees(r#""event":"listening""#));
    let recv = home.run(&["recv", "--json", "--listen", "localhost:0"], Stdio::null());
    check(&recv.complains(r#""event":"listening""#));
    let said = home.answer(&["doctor", "--listen", "localhost:0"]);
    let row = said.lines().find(|row| row.contains("free to listen on")).unwrap();
    assert!(addresses().iter().all(|ip| row.contains(&ip.to_string())), "{row}");
}

#[test]
fn a_port_of_a_name_that_is_taken_at_one_address_is_taken() {
    for ip in addresses() {
        let taken = TcpListener::bind((ip, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let at = format!("localhost:{port}");
        let mut minji = Process::start("민지", &["--listen", &at]);
        minji.sees(&format!("cannot listen on {at}: address already in use"));
        minji.closes_input().ends();
        for other in addresses().into_iter().filter(|other| *other != ip) {
            assert!(TcpListener::bind((other, port)).is_ok(), "{other} was let go");
        }
    }
}

#[test]
fn the_callers_of_each_address_of_a_name_come_in() {
    let minji = Process::start("민지", &["--listen", "localhost:0", "--anybody"]);
    let port = check(&minji.sees("listening on "));
    for (name, ip) in ["준호", "하나"].into_iter().zip(addresses()) {
        let mut caller = Process::start(name, &["--connect", &SocketAddr::new(ip, port).to_string()]);
        minji.sees(&format!("{name} joined"));
        caller.closes_input().ends();
    }
}
