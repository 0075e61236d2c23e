//! Owner of a home: the process that has its store of messages open, and serves it to others on a
//! socket in the home (`docs/EVENTS.md`, "The socket of a home").

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::store::{Home, safe_file};

/// Name of the socket in the home.
const FILE: &str = "socket";
/// Bytes of the longest path that every system takes for a socket.
const PATH_BYTES: usize = 103;

/// Socket of a home that this process serves; the file goes with it.
pub(crate) struct HomeSocket {
    path: PathBuf,
    file: Inode,
    folder: Inode,
}

/// File, whatever its name is: its file system and its number there.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Inode(u64, u64);

impl Inode {
    fn of(path: &Path) -> io::Result<Self> {
        fs::symlink_metadata(path).map(|file| Self(file.dev(), file.ino()))
    }
}

impl HomeSocket {
    /// Begins to serve. Only for the process that has the store open: what is in the place of the
    /// socket was left by one that has ended.
    pub(crate) fn bind(home: &Home) -> io::Result<(Self, UnixListener)> {
        let path = home.path().join(FILE);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(Reachable::of(&path)?.path)?;
        fs::set_permissions(&path, Permissions::from_mode(safe_file::FILE_MODE))?;
        let (file, folder) = (Inode::of(&path)?, Inode::of(home.path())?);
        Ok((Self { path, file, folder }, listener))
    }

    /// Makes the file again, if it is gone: somebody may have tidied up. None where it is there, or
    /// the home is another by now, or served by another process. To be called while the listener is
    /// open, which keeps the number of the file.
    pub(crate) fn repair(&self, home: &Home) -> io::Result<Option<(Self, UnixListener)>> {
        if self.is_in_place() || Inode::of(home.path())? != self.folder || connect(home)?.is_some() {
            return Ok(None);
        }
        Self::bind(home).map(Some)
    }

    fn is_in_place(&self) -> bool {
        Inode::of(&self.path).is_ok_and(|file| file == self.file)
    }
}

impl Drop for HomeSocket {
    fn drop(&mut self) {
        // One that stays is replaced by the next owner.
        if self.is_in_place() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Connects to the process that serves a home. None, if no process does.
pub(crate) fn connect(home: &Home) -> io::Result<Option<UnixStream>> {
    let path = home.path().join(FILE);
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // One that is stopped, and has more callers than it takes, is not waited for.
    socket.set_nonblocking(true)?;
    let Ok(reachable) = Reachable::of(&path) else { return Ok(None) };
    match socket.connect(&SockAddr::unix(&reachable.path)?) {
        Ok(()) => Ok(Some(socket.into())),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

/// Process at the other end of a socket of this machine, where the system tells.
pub(crate) fn process_of(stream: &UnixStream) -> Option<u32> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return rustix::net::sockopt::socket_peercred(stream)
        .ok()
        .and_then(|peer| peer.pid.as_raw_nonzero().get().try_into().ok());
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _ = stream;
        None
    }
}

/// Path by which a socket can be named: one that is too long goes through its open folder, where
/// the system has a name for that.
struct Reachable {
    path: PathBuf,
    _folder: Option<File>,
}

impl Reachable {
    fn of(path: &Path) -> io::Result<Self> {
        if path.as_os_str().len() <= PATH_BYTES {
            return Ok(Self { path: path.to_owned(), _folder: None });
        }
        let parent = path.parent().unwrap_or(path);
        let flags = (OFlags::DIRECTORY | OFlags::CLOEXEC).bits().cast_signed();
        let folder = OpenOptions::new().read(true).custom_flags(flags).open(parent)?;
        let named = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()));
        if !named.exists() {
            let why =
                format!("its path has {} bytes, a socket path at most {PATH_BYTES}", path.as_os_str().len());
            return Err(io::Error::new(io::ErrorKind::InvalidFilename, why));
        }
        Ok(Self { path: named.join(FILE), _folder: Some(folder) })
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    fn served(folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        let home = Home::at(folder.to_owned());
        assert!(connect(&home).unwrap().is_none(), "nobody serves it");
        let (socket, listener) = HomeSocket::bind(&home).unwrap();
        let mode = fs::metadata(folder.join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let mut caller = connect(&home).unwrap().unwrap();
        if cfg!(target_os = "linux") {
            assert_eq!(process_of(&caller), Some(std::process::id()));
        }
        listener.accept().unwrap().0.write_all(b"x").unwrap();
        caller.set_nonblocking(false).unwrap();
        assert_eq!(caller.read(&mut [0; 2]).unwrap(), 1);
        // As after a kill: the file stays, and nobody listens there.
        drop(listener);
        std::mem::forget(socket);
        assert!(connect(&home).unwrap().is_none(), "what a killed process left is not waited for");
        let (socket, _listener) = HomeSocket::bind(&home).unwrap();
        assert!(connect(&home).unwrap().is_some(), "the next owner replaces it");
        assert!(socket.repair(&home).unwrap().is_none(), "it is in its place");
        fs::remove_file(folder.join(FILE)).unwrap();
        let (again, next) = socket.repair(&home).unwrap().unwrap();
        let mode = fs::metadata(folder.join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(socket);
        assert!(connect(&home).unwrap().is_some(), "what is another's by now stays");
        // One of another process, which listens, is not replaced, nor removed.
        let (other, _listener) = HomeSocket::bind(&home).unwrap();
        assert!(again.repair(&home).unwrap().is_none());
        drop((again, next));
        assert!(folder.join(FILE).exists());
        // Nor is anything made in a home that has taken the place of ours.
        fs::rename(folder, folder.with_extension("old")).unwrap();
        fs::create_dir(folder).unwrap();
        assert!(other.repair(&home).unwrap().is_none());
        drop(other);
        assert!(!folder.join(FILE).exists());
    }

    #[test]
    fn a_home_is_served_on_a_socket_that_the_next_owner_replaces() {
        let folder = tempfile::tempdir().unwrap();
        served(&folder.path().join("home"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_home_with_a_long_path_is_served_as_well() {
        let folder = tempfile::tempdir().unwrap();
        served(&folder.path().join("x".repeat(100)).join("y".repeat(100)));
    }
}
