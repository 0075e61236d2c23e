//! Sandbox of a process that opens and starts nothing more by itself: what it gives up before it
//! reads what a peer has sent (`docs/SECURITY.md`). What is given up stays so until the process
//! ends.

use std::fmt;
use std::path::{Path, PathBuf};

/// Files and folders that a confined process reaches besides its home and those of the system.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Reach {
    /// Files that are kept elsewhere.
    pub(crate) kept: Vec<PathBuf>,
    /// Files, and folders with all that is in them, that are sent.
    pub(crate) sent: Vec<PathBuf>,
    /// Folders in which files are received.
    pub(crate) received: Vec<PathBuf>,
}

impl Reach {
    /// The home and a file elsewhere.
    pub(crate) fn keeping(file: Option<&Path>) -> Self {
        Self { kept: file.map(Path::to_owned).into_iter().collect(), ..Self::default() }
    }
}

/// Confinement of a process, and where there is less of it, why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Confinement {
    /// Files and system calls.
    Whole,
    /// The same, but for what another process does for it, as these words say.
    ExceptFor(&'static str),
    /// One of the two; the other is missing for this reason.
    Partial(String),
    /// None.
    Missing(String),
}

impl Confinement {
    /// Word for a program.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Whole | Self::ExceptFor(_) => "yes",
            Self::Partial(_) => "partly",
            Self::Missing(_) => "no",
        }
    }

    /// That of a process that is not confined where there are no rules for files.
    pub(crate) fn without_landlock() -> Self {
        Self::Missing(system::NO_LANDLOCK.to_owned())
    }

    /// The same for a front end that is not confined, as the person chose.
    pub(crate) fn switched_off() -> Self {
        Self::Missing("--no-sandbox, or sandbox = false in the settings".to_owned())
    }
}

impl fmt::Display for Confinement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => {
                f.write_str("confined: no files but the home and those of the system, and no commands")
            }
            Self::ExceptFor(others) => write!(f, "confined; {others}"),
            Self::Partial(why) => write!(f, "partly confined: {why}"),
            Self::Missing(why) => write!(f, "not confined: {why}"),
        }
    }
}

/// Whether this system has rules for files.
pub(crate) fn has_landlock() -> bool {
    system::has_landlock()
}

/// Confines this process to a home, and what else it needs. To be called before a second thread
/// starts: Landlock holds for the caller and for threads that start later.
pub(crate) fn confine(home: &Path, reach: &Reach) -> Confinement {
    match (system::restrict_files(home, reach), system::refuse_calls()) {
        (Ok(()), Ok(())) => Confinement::Whole,
        (Err(why), Ok(())) | (Ok(()), Err(why)) => Confinement::Partial(why),
        (Err(files), Err(calls)) => Confinement::Missing(format!("{files}; {calls}")),
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::collections::BTreeMap;
    use std::env;
    use std::fs;
    use std::path::{Path, PathBuf};

    use landlock::{
        ABI, Access as _, AccessFs, CompatLevel, Compatible as _, RestrictionStatus, Ruleset,
        RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope, make_bitflags,
        path_beneath_rules,
    };
    use nix::libc;
    use seccompiler::{
        BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
        SeccompRule, apply_filter_all_threads,
    };

    use super::Reach;

    /// Version of Landlock whose rights are taken away, as far as the kernel knows them: the sixth
    /// (Linux 6.12) has signals and abstract sockets as well. The ninth has sockets with a path, by
    /// which a resolver may be reached.
    const LANDLOCK: ABI = ABI::V6;

    /// Folders and files that the C library and the time zones read, whenever they like.
    const READ: [&str; 8] = [
        // hosts, nsswitch.conf, resolv.conf, localtime: whole, since a file that is replaced by
        // another would be lost from a rule of its own
        "/etc",
        // modules of the resolver, which are loaded as a name is looked up
        "/lib",
        "/lib64",
        "/usr/lib",
        "/usr/lib64",
        // both of these where a distribution keeps every package in a folder of its own
        "/nix/store",
        "/gnu/store",
        "/usr/share/zoneinfo",
    ];

    /// Files of the process itself: signals that are ignored, and a socket with too long a path.
    const OWN: &str = "/proc/self";
    /// Counter of copies of a virtual machine: AWS-LC stops where it is there and cannot be read.
    const COPIES: &str = "/dev/sysgenid";
    /// Input and output of a pipe that has none.
    const NULL: &str = "/dev/null";

    pub(super) const NO_LANDLOCK: &str = "this kernel has no Landlock";

    pub(super) fn has_landlock() -> bool {
        let rules = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
        rules.handle_access(AccessFs::ReadFile).and_then(Ruleset::create).is_ok()
    }

    pub(super) fn restrict_files(home: &Path, reach: &Reach) -> Result<(), String> {
        let status = restrict(home, reach).map_err(|error| format!("Landlock refused its rules: {error}"))?;
        match status.ruleset {
            RulesetStatus::NotEnforced => Err(NO_LANDLOCK.to_owned()),
            RulesetStatus::PartiallyEnforced => {
                Err("the Landlock of this kernel lacks some rights (Linux 6.12 has all)".to_owned())
            }
            RulesetStatus::FullyEnforced if threads() > 1 => {
                Err("a thread is older than the rules for files".to_owned())
            }
            RulesetStatus::FullyEnforced => Ok(()),
        }
    }

    fn restrict(home: &Path, reach: &Reach) -> Result<RestrictionStatus, RulesetError> {
        let read = make_bitflags!(AccessFs::{ReadFile | ReadDir});
        let device = make_bitflags!(AccessFs::{ReadFile | WriteFile});
        let written = make_bitflags!(AccessFs::{ReadFile | WriteFile | Truncate});
        // No folders, links or devices: a home has none.
        let own = make_bitflags!(AccessFs::{
            ReadFile | ReadDir | WriteFile | Truncate | RemoveFile | MakeReg | MakeSock
        });
        let received = make_bitflags!(AccessFs::{
            ReadFile | ReadDir | WriteFile | Truncate | RemoveFile | RemoveDir | MakeReg | MakeDir
        });
        let named = READ.map(PathBuf::from).into_iter().chain([OWN, COPIES].map(PathBuf::from));
        Ruleset::default()
            .handle_access(AccessFs::from_all(LANDLOCK))?
            .scope(Scope::from_all(LANDLOCK))?
            .create()?
            .add_rules(path_beneath_rules(named.chain(elsewhere()), read))?
            .add_rules(path_beneath_rules([NULL], device))?
            .add_rules(path_beneath_rules([home], own))?
            .add_rules(path_beneath_rules(&reach.kept, written))?
            .add_rules(path_beneath_rules(&reach.sent, read))?
            .add_rules(path_beneath_rules(&reach.received, received))?
            .restrict_self()
    }

    /// What this machine, or the environment, has elsewhere of what is read.
    fn elsewhere() -> impl Iterator<Item = PathBuf> {
        // systemd-resolved and others replace the file that `/etc` links to.
        let resolver = fs::canonicalize("/etc/resolv.conf").ok();
        let resolver = resolver.and_then(|file| file.parent().map(Path::to_owned));
        let resolver = resolver.filter(|folder| folder.parent().is_some());
        let zones = ["TZDIR", "TZ"].into_iter().filter_map(env::var_os);
        let zones = zones.map(|zone| PathBuf::from(zone.to_string_lossy().trim_start_matches(':')));
        let local = fs::canonicalize("/etc/localtime").ok();
        resolver.into_iter().chain(zones.filter(|zone| zone.is_absolute())).chain(local)
    }

    fn threads() -> usize {
        fs::read_dir("/proc/self/task").map_or(1, Iterator::count)
    }

    /// System calls that no front end makes: to run programs, to look into other processes, to
    /// change the kernel or the mounts, and doors that get round the rules for files. Others pass,
    /// since the C library and the Rust library come to use new ones.
    const REFUSED: [libc::c_long; 52] = [
        libc::SYS_execve,
        libc::SYS_execveat,
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_process_madvise,
        libc::SYS_kcmp,
        libc::SYS_pidfd_getfd,
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_userfaultfd,
        libc::SYS_keyctl,
        libc::SYS_add_key,
        libc::SYS_request_key,
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_move_mount,
        libc::SYS_open_tree,
        libc::SYS_fsopen,
        libc::SYS_fsconfig,
        libc::SYS_fsmount,
        libc::SYS_fspick,
        libc::SYS_mount_setattr,
        libc::SYS_pivot_root,
        libc::SYS_chroot,
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_init_module,
        libc::SYS_finit_module,
        libc::SYS_delete_module,
        libc::SYS_kexec_load,
        libc::SYS_reboot,
        libc::SYS_swapon,
        libc::SYS_swapoff,
        libc::SYS_acct,
        libc::SYS_quotactl,
        libc::SYS_nfsservctl,
        libc::SYS_sethostname,
        libc::SYS_setdomainname,
        libc::SYS_settimeofday,
        libc::SYS_clock_settime,
        libc::SYS_adjtimex,
        libc::SYS_clock_adjtime,
        libc::SYS_personality,
        libc::SYS_io_uring_setup,
        libc::SYS_io_uring_enter,
        libc::SYS_io_uring_register,
        libc::SYS_open_by_handle_at,
        libc::SYS_name_to_handle_at,
        libc::SYS_syslog,
        libc::SYS_vhangup,
        libc::SYS_fanotify_init,
    ];

    /// Bit of the numbers of x32, the other way to call on x86-64, and those that it has alone.
    const X32: libc::c_long = 0x4000_0000;
    const X32_ALONE: std::ops::RangeInclusive<libc::c_long> = 512..=547;

    /// Requests that put characters into the input of the terminal, for the shell to run
    /// (`TIOCSTI`, `TIOCLINUX`).
    const TERMINAL_INPUT: [u64; 2] = [0x5412, 0x541c];

    /// Kinds of sockets that are used: streams and datagrams, local ones, and the kernel's list of
    /// interfaces.
    const FAMILIES: [libc::c_int; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

    pub(super) fn refuse_calls() -> Result<(), String> {
        let failed = |why: String| format!("system calls are not filtered: {why}");
        let program = filter().map_err(|error| failed(error.to_string()))?;
        apply_filter_all_threads(&program).map_err(|error| failed(error.to_string()))
    }

    fn filter() -> Result<BpfProgram, seccompiler::BackendError> {
        let argument =
            |index, operator, value| SeccompCondition::new(index, SeccompCmpArgLen::Dword, operator, value);
        let mut rules: BTreeMap<_, _> = REFUSED.into_iter().map(|call| (call, Vec::new())).collect();
        let requests = TERMINAL_INPUT
            .map(|request| SeccompRule::new(vec![argument(1, SeccompCmpOp::Eq, request)?]))
            .into_iter()
            .collect::<Result<_, _>>()?;
        rules.insert(libc::SYS_ioctl, requests);
        let others = FAMILIES
            .map(|family| argument(0, SeccompCmpOp::Ne, u64::from(family.unsigned_abs())))
            .into_iter()
            .collect::<Result<_, _>>()?;
        rules.insert(libc::SYS_socket, vec![SeccompRule::new(others)?]);
        if cfg!(target_arch = "x86_64") {
            let x32: Vec<_> = rules.iter().map(|(call, rules)| (call | X32, rules.clone())).collect();
            rules.extend(x32);
            rules.extend(X32_ALONE.map(|call| (call | X32, Vec::new())));
        }
        let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
        let target = env::consts::ARCH.try_into()?;
        SeccompFilter::new(rules, SeccompAction::Allow, refuse, target)?.try_into()
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::path::Path;

    use super::Reach;

    pub(super) const NO_LANDLOCK: &str = "this system has no Landlock";

    pub(super) fn has_landlock() -> bool {
        false
    }

    pub(super) fn restrict_files(_: &Path, _: &Reach) -> Result<(), String> {
        Err(NO_LANDLOCK.to_owned())
    }

    pub(super) fn refuse_calls() -> Result<(), String> {
        Err("system calls are not filtered here".to_owned())
    }
}
