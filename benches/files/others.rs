//! Programs beside which a file is measured, on loopback, each set up as its manual would have it.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::run::{Guard, command, free_port, quiet, wait_for_port};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Other {
    Scp,
    Wormhole,
    Croc,
}

impl Other {
    pub(crate) const ALL: [Self; 3] = [Self::Scp, Self::Wormhole, Self::Croc];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Scp => "scp",
            Self::Wormhole => "magic-wormhole",
            Self::Croc => "croc",
        }
    }

    /// Says so when one of its programs is not installed.
    pub(crate) fn missing(self) -> Option<String> {
        let programs: &[&str] = match self {
            Self::Scp => &["scp", "ssh-keygen", "sshd"],
            Self::Wormhole => &["wormhole", "twist"],
            Self::Croc => &["croc"],
        };
        let missing = programs.iter().find(|program| path_of(program).is_none())?;
        Some(format!("not run: {missing} is not installed"))
    }

    /// Copies a file to another path, and makes that durable, as a transfer is in the end.
    pub(crate) fn copies(self, folder: &Path, from: &Path, to: &Path) -> Outcome<Duration> {
        let port = free_port()?;
        let (from, to) = (from.display().to_string(), to.display().to_string());
        let _servers;
        let begun = match self {
            Self::Scp => {
                _servers = vec![sshd(folder, port)?];
                let begun = Instant::now();
                let (port, key) = (format!("-P{port}"), folder.join("user").display().to_string());
                let no_host =
                    ["-oStrictHostKeyChecking=no", "-oUserKnownHostsFile=/dev/null", "-oBatchMode=yes"];
                let target = format!("127.0.0.1:{to}");
                done(command("scp", &["-q", &port, "-i", &key]).args(no_host).args([&from, &target]))?;
                begun
            }
            Self::Wormhole => {
                let at = format!("tcp:{port}:interface=127.0.0.1");
                let db = folder.join("mailbox.sqlite").display().to_string();
                _servers = vec![quiet("twist", &["wormhole-mailbox", "--channel-db", &db, "--port", &at])?];
                wait_for_port(port)?;
                let relay = format!("--relay-url=ws://127.0.0.1:{port}/v1");
                let common = [relay.as_str(), "--transit-helper="];
                let begun = Instant::now();
                let mut sender = command("wormhole", &common);
                sender.args(["send", "--hide-progress", "--code=7-rsachat-bench", &from]);
                let mut sender = Guard(sender.spawn()?);
                let mut receiver = command("wormhole", &common);
                receiver.args(["receive", "--accept-file", "--hide-progress", "-o", &to, "7-rsachat-bench"]);
                done(&mut receiver)?;
                sender.0.wait()?;
                begun
            }
            Self::Croc => {
                let at = format!("127.0.0.1:{port}");
                let ports = [port, free_port()?].map(|port| port.to_string()).join(",");
                _servers = vec![quiet("croc", &["relay", "--host", "127.0.0.1", "--ports", &ports])?];
                wait_for_port(port)?;
                let begun = Instant::now();
                let mut sender = command("croc", &["--relay", &at, "--no-compress", "send"]);
                let mut sender = Guard(sender.args(["--code", "7777-rsachat-bench", &from]).spawn()?);
                let target = Path::new(&to).parent().ok_or("no folder")?.display().to_string();
                let mut receiver = command("croc", &["--relay", &at, "--yes", "--out", &target]);
                done(receiver.env("CROC_SECRET", "7777-rsachat-bench"))?;
                sender.0.wait()?;
                begun
            }
        };
        File::open(&to)?.sync_all()?;
        Ok(begun.elapsed())
    }
}

/// Where a program is, also one that a user's path leaves out.
fn path_of(program: &str) -> Option<String> {
    let found = Command::new("sh")
        .args(["-c", &format!("PATH=$PATH:/usr/sbin command -v {program}")])
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let path = String::from_utf8(found.stdout).ok()?.trim().to_owned();
    (!path.is_empty()).then_some(path)
}

fn sshd(folder: &Path, port: u16) -> Outcome<Guard> {
    for name in ["host", "user"] {
        let key = folder.join(name).display().to_string();
        if !Path::new(&key).exists() {
            done(&mut command("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &key]))?;
        }
    }
    let config = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {0}/host\nAuthorizedKeysFile {0}/user.pub\nPidFile none\n\
         StrictModes no\nPermitRootLogin yes\nUsePAM no\nSubsystem sftp internal-sftp\n",
        folder.display()
    );
    let file = folder.join("sshd.conf");
    fs::write(&file, config)?;
    fs::create_dir_all("/run/sshd").ok();
    let sshd = path_of("sshd").ok_or("no sshd")?;
    let server = quiet(&sshd, &["-D", "-f", &file.display().to_string()])?;
    wait_for_port(port)?;
    Ok(server)
}

fn done(command: &mut Command) -> Outcome<()> {
    if command.status()?.success() { Ok(()) } else { Err(format!("{command:?} failed").into()) }
}
