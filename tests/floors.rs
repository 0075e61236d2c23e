//! Invariants of the house: imports point down, the pure floors are pure, files are small and say what they
//! are.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::fs;
use std::path::{Path, PathBuf};

/// The floors from below; a floor may use those before it and itself. `crypto` and `wire` are strangers, and
/// so are `net` and `store`.
const FLOORS: [(&str, &[&str]); 8] = [
    ("wire", &[]),
    ("crypto", &[]),
    ("session", &["wire", "crypto"]),
    ("chat", &["wire", "crypto", "session"]),
    ("script", &["chat"]),
    ("net", &[]),
    ("store", &["crypto", "chat"]),
    ("front", &["wire", "crypto", "session", "chat", "script", "net", "store"]),
];
const PURE: [&str; 5] = ["wire", "crypto", "session", "chat", "script"];
/// The rooms under the roof from below, floor by floor: a room uses itself and those of the floors before it.
const FRONT: [&[&str]; 7] = [
    &["clock", "facts", "fault", "options", "streams"],
    &["completions", "config", "passphrase", "peers", "record"],
    &["keyring", "looks", "manual"],
    &["keys", "machine"],
    &["doctor", "events", "replay"],
    &["prompt", "unattended"],
    &["cli"],
];
/// What no pure floor may name: files, processes, clocks, threads, the environment, printing, the system's
/// randomness.
const IMPURE: [&str; 14] = [
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "std::io",
    "std::time",
    "Instant::now",
    "SystemTime",
    "SysRng",
    "rand::rng()",
    "println!",
    "eprintln!",
    "TcpStream",
    "rustyline",
];
const LINES_MAX: usize = 400;

fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found.sort();
    found
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The code without its tests and comments.
fn code(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn imports_point_down() {
    for (floor, below) in FLOORS {
        for (path, text) in sources(&src().join(floor)) {
            for (other, _) in FLOORS {
                let names = code(&text).contains(&format!("crate::{other}"));
                let allowed = other == floor || below.contains(&other);
                assert!(!names || allowed, "{} stands on {floor} and names {other}", path.display());
            }
        }
    }
}

#[test]
fn imports_under_the_roof_point_down() {
    let mut below: Vec<&str> = Vec::new();
    let mut seen = 0;
    for floor in FRONT {
        for room in floor {
            let folder = src().join("front").join(room);
            let mut files = if folder.is_dir() { sources(&folder) } else { Vec::new() };
            let file = folder.with_extension("rs");
            files.extend(fs::read_to_string(&file).ok().map(|text| (file, text)));
            assert!(!files.is_empty(), "there is no room {room}");
            seen += files.len();
            for (path, text) in files {
                for named in code(&text).split("crate::front::").skip(1) {
                    let other: String =
                        named.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                    let allowed = other == *room || below.contains(&other.as_str());
                    assert!(allowed, "{} stands in {room} and names {other}", path.display());
                }
            }
        }
        below.extend(floor);
    }
    // The door itself stands on no floor.
    assert_eq!(seen + 1, sources(&src().join("front")).len(), "a file stands in no room");
}

#[test]
fn the_pure_floors_are_pure() {
    for floor in PURE {
        for (path, text) in sources(&src().join(floor)) {
            for word in IMPURE {
                assert!(!code(&text).contains(word), "{} names {word}", path.display());
            }
        }
    }
}

#[test]
fn files_are_small_and_begin_by_saying_what_they_are() {
    for (path, text) in sources(&src()) {
        assert!(text.starts_with("//! "), "{} does not say what it is", path.display());
        let lines = text.lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines", path.display());
    }
}

#[test]
fn only_the_terminal_knows_the_line_editor_and_only_the_front_prints() {
    for (path, text) in sources(&src()) {
        let inside = path.strip_prefix(src()).unwrap().display().to_string();
        let terminal = inside.starts_with("front/prompt/terminal/");
        assert!(terminal || !code(&text).contains("rustyline"), "{inside} names rustyline");
        let front = inside.starts_with("front/");
        assert!(front || !code(&text).contains("io::stdout"), "{inside} writes to stdout");
    }
}
