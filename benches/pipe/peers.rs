//! The programs beside which a stream is measured, each set up as its manual would have it, with the largest
//! buffers that it takes.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::Outcome;
use crate::run::{Children, Guard, Ran, command, free_port, quiet, rsachat, wait_for_port};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Peer {
    Rsachat,
    Nc,
    Socat,
    Stunnel,
    Ssh,
    Spiped,
}

impl Peer {
    pub(crate) const ALL: [Self; 6] =
        [Self::Rsachat, Self::Nc, Self::Socat, Self::Stunnel, Self::Ssh, Self::Spiped];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rsachat => "rsachat pipe",
            Self::Nc => "nc (not encrypted)",
            Self::Socat => "socat OPENSSL",
            Self::Stunnel => "stunnel + socat",
            Self::Ssh => "ssh",
            Self::Spiped => "spiped + nc",
        }
    }

    pub(crate) fn is_encrypted(self) -> bool {
        !matches!(self, Self::Rsachat | Self::Nc)
    }

    /// Says so when one of its programs is not installed.
    pub(crate) fn missing(self) -> Option<String> {
        let programs: &[&str] = match self {
            Self::Rsachat => &[],
            Self::Nc => &["nc"],
            Self::Socat => &["socat", "openssl"],
            Self::Stunnel => &["stunnel", "socat", "openssl"],
            Self::Ssh => &["ssh", "ssh-keygen", "/usr/sbin/sshd"],
            Self::Spiped => &["spiped", "spipe", "nc"],
        };
        let missing = programs.iter().find(|program| {
            let found = command("sh", &["-c", &format!("command -v {program}")]).status();
            !found.is_ok_and(|status| status.success())
        })?;
        Some(format!("not installed: {missing}"))
    }
}

/// Keys, certificates and the file to send.
pub(crate) struct Bench {
    pub(crate) folder: PathBuf,
    pub(crate) homes: [PathBuf; 2],
    stream: PathBuf,
}

impl Bench {
    pub(crate) fn prepare(folder: &Path, bytes: u64) -> Outcome<Self> {
        let homes = ["one", "two"].map(|name| folder.join(name));
        for home in &homes {
            done(rsachat::command(home).args(["key", "new"]).stdout(Stdio::null()))?;
        }
        let stream = folder.join("stream");
        io::copy(&mut File::open("/dev/urandom")?.take(bytes), &mut File::create(&stream)?)?;
        let bench = Self { folder: folder.to_owned(), homes, stream };
        if Peer::Socat.missing().is_none() {
            let (key, cert) = (bench.path("tls.key"), bench.path("tls.pem"));
            let args =
                ["req", "-x509", "-newkey", "rsa:3072", "-nodes", "-days", "2", "-subj", "/CN=localhost"];
            done(command("openssl", &args).args(["-keyout", &key, "-out", &cert]))?;
            let both = fs::read_to_string(&key)? + &fs::read_to_string(&cert)?;
            fs::write(bench.path("tls.both"), both)?;
        }
        if Peer::Ssh.missing().is_none() {
            for name in ["host", "user"] {
                done(&mut command(
                    "ssh-keygen",
                    &["-q", "-t", "ed25519", "-N", "", "-f", &bench.path(name)],
                ))?;
            }
            fs::create_dir_all("/run/sshd").ok();
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
        }
        fs::write(bench.path("spiped.key"), [7; 32])?;
        Ok(bench)
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn send(&self, program: &str, args: &[&str]) -> Outcome<(Guard, Instant)> {
        let mut sender = command(program, args);
        sender.stdin(File::open(&self.stream)?);
        let begun = Instant::now();
        Ok((Guard(sender.spawn()?), begun))
    }

    /// Sends the stream once.
    pub(crate) fn stream(&self, peer: Peer) -> Outcome<Ran> {
        let mut helpers = Vec::new();
        let ports = [free_port()?, free_port()?, free_port()?];
        let [one, two, three] = ports.map(|port| port.to_string());
        let at = |port: &str| format!("127.0.0.1:{port}");
        let (receiver, (sender, begun)) = match peer {
            Peer::Rsachat => {
                let (receiver, at) =
                    rsachat::listening(&self.homes[1], &["pipe", "--recv-only"], Stdio::null())?;
                let home = self.homes[0].display().to_string();
                let args = ["--home", &home, "pipe", "--accept-new", "--connect", &at];
                (Some(receiver), self.send(env!("CARGO_BIN_EXE_rsachat"), &args)?)
            }
            Peer::Nc => {
                let receiver = quiet("nc", &["-l", "127.0.0.1", &one])?;
                wait_for_port(ports[0])?;
                (Some(receiver), self.send("nc", &["-N", "127.0.0.1", &one])?)
            }
            Peer::Socat => {
                let listen =
                    format!("OPENSSL-LISTEN:{one},bind=127.0.0.1,cert={},verify=0", self.path("tls.both"));
                let receiver = quiet("socat", &["-u", "-b", "65536", &listen, "STDOUT"])?;
                wait_for_port(ports[0])?;
                let call = format!("OPENSSL:localhost:{one},pf=ip4,cafile={}", self.path("tls.pem"));
                (Some(receiver), self.send("socat", &["-u", "-b", "65536", "STDIN", &call])?)
            }
            Peer::Stunnel => {
                let server = format!(
                    "foreground=yes\npid=\n[s]\naccept={}\nconnect={}\ncert={}\n",
                    at(&one),
                    at(&two),
                    self.path("tls.both")
                );
                let client = format!(
                    "foreground=yes\npid=\n[c]\nclient=yes\naccept={}\nconnect={}\nCAfile={}\nverifyChain=yes\n",
                    at(&three),
                    at(&one),
                    self.path("tls.pem")
                );
                let receiver = quiet(
                    "socat",
                    &["-u", "-b", "65536", &format!("TCP-LISTEN:{two},bind=127.0.0.1"), "STDOUT"],
                )?;
                wait_for_port(ports[1])?;
                for (name, text, port) in [("s.conf", server, ports[0]), ("c.conf", client, ports[2])] {
                    fs::write(self.path(name), text)?;
                    helpers.push(quiet("stunnel", &[&self.path(name)])?);
                    wait_for_port(port)?;
                }
                let call = format!("TCP:127.0.0.1:{three}");
                (Some(receiver), self.send("socat", &["-u", "-b", "65536", "STDIN", &call])?)
            }
            Peer::Ssh => {
                let config = format!(
                    "Port {one}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\nPermitRootLogin yes\nUsePAM no\n",
                    self.path("host"),
                    self.path("user.pub")
                );
                fs::write(self.path("sshd.conf"), config)?;
                helpers.push(quiet("/usr/sbin/sshd", &["-D", "-f", &self.path("sshd.conf")])?);
                wait_for_port(ports[0])?;
                let key = self.path("user");
                let args = [
                    "-p",
                    &one,
                    "-i",
                    &key,
                    "-o",
                    "StrictHostKeyChecking=no",
                    "-o",
                    "UserKnownHostsFile=/dev/null",
                    "-o",
                    "BatchMode=yes",
                    "127.0.0.1",
                    "cat > /dev/null",
                ];
                (None, self.send("ssh", &args)?)
            }
            Peer::Spiped => {
                let key = self.path("spiped.key");
                let bracketed = |port: &str| format!("[127.0.0.1]:{port}");
                let receiver = quiet("nc", &["-l", "127.0.0.1", &two])?;
                wait_for_port(ports[1])?;
                let args = ["-d", "-F", "-s", &bracketed(&one), "-t", &bracketed(&two), "-k", &key];
                helpers.push(quiet("spiped", &args)?);
                wait_for_port(ports[0])?;
                (Some(receiver), self.send("spipe", &["-t", &bracketed(&one), "-k", &key])?)
            }
        };
        Children { helpers, receiver, sender }.finish(begun)
    }
}

fn done(command: &mut Command) -> Outcome<()> {
    if command.status()?.success() { Ok(()) } else { Err(format!("{command:?} failed").into()) }
}
