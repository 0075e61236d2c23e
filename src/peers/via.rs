//! Way to an address other than a direct connection: a SOCKS proxy or a command, as users write it.

use std::fmt;
use std::str::FromStr;

use super::address::{ListenAt, write_address};
use super::percent_encoding::{decoded, encoded};
use crate::text::safe::SafeText;

/// Way to an address.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Via {
    /// None, where a setting says another.
    Direct,
    /// A SOCKS proxy, which also looks the name up.
    Proxy(Proxy),
    /// A command whose standard input and output are the connection.
    Command(ProxyCommand),
}

/// SOCKS proxy.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Proxy {
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// User and password that the URL names.
    pub login: Option<Login>,
}

/// User and password of a proxy, each of 1 to 255 bytes. The password is written nowhere but into
/// the book.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Login {
    /// The user.
    pub user: Vec<u8>,
    /// The password.
    pub password: Vec<u8>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").finish_non_exhaustive()
    }
}

/// Shell command with the placeholders `%h` and `%p`; `%%` is one `%`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ProxyCommand(String);

/// Error in a way, with what to write instead.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ViaError {
    /// It is neither a proxy nor a command.
    #[error(
        "{0} is no way to call; write socks5h://HOST:PORT, or a command with %h and %p, for example 'ssh -W %h:%p HOST'"
    )]
    Neither(SafeText),
    /// A proxy to which names are not given.
    #[error("with {0}:// this machine would look names up; write socks5h:// for the same proxy")]
    LooksUp(SafeText),
    /// A proxy of another protocol.
    #[error(
        "{0}:// is no SOCKS proxy; write socks5h://HOST:PORT, or for HTTP 'ncat --proxy HOST:PORT %h %p'"
    )]
    Scheme(SafeText),
    /// The address of the proxy.
    #[error("the address of the proxy: {0}")]
    Address(String),
    /// The URL names no port.
    #[error("the proxy has no port; write socks5h://HOST:PORT, for example socks5h://127.0.0.1:9050")]
    NoPort,
    /// User and password cannot be given to a proxy.
    #[error(
        "user and password of a proxy have 1 to 255 bytes each; write socks5h://USER:PASSWORD@HOST:PORT, with %XX for signs"
    )]
    Login,
    /// A placeholder that means nothing.
    #[error("%{0} means nothing in the command; write %h for the host, %p for the port, %% for a %")]
    Placeholder(SafeText),
    /// A control character, or too many bytes.
    #[error("a command is one line of at most {VIA_BYTES} bytes, without control characters")]
    Line,
}

/// Host that is not put into a command, which a shell reads.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0} cannot be put into a command: a host there has only letters, digits and .:-_")]
pub struct UnsafeHost(SafeText);

/// Scheme of a proxy that looks names up itself.
const SCHEME: &str = "socks5h://";
/// End of the scheme of an address, behind which a user and a password may stand.
const AUTHORITY: &str = "://";
/// Word for no way, as OpenSSH has it.
const DIRECT: &str = "none";
/// Longest way.
pub const VIA_BYTES: usize = 1_024;
/// Longest user or password (RFC 1929).
const LOGIN_BYTES: usize = 255;

impl FromStr for Via {
    type Err = ViaError;

    fn from_str(text: &str) -> Result<Self, ViaError> {
        if text == DIRECT {
            return Ok(Self::Direct);
        }
        if text.len() > VIA_BYTES || text.chars().any(char::is_control) {
            return Err(ViaError::Line);
        }
        if let Some(rest) = text.strip_prefix(SCHEME) {
            return proxy(rest.trim_end_matches('/')).map(Self::Proxy);
        }
        match text.split_once("://") {
            Some((scheme @ ("socks5" | "socks"), _)) => Err(ViaError::LooksUp(SafeText::line(scheme))),
            Some((scheme, _)) if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                Err(ViaError::Scheme(SafeText::line(scheme)))
            }
            _ => command(text).map(Self::Command),
        }
    }
}

fn proxy(text: &str) -> Result<Proxy, ViaError> {
    let (login, at) = match text.rsplit_once('@') {
        Some((login, at)) => (Some(login_of(login)?), at),
        None => (None, text),
    };
    let has_port = at.rsplit(']').next().is_some_and(|rest| rest.contains(':'));
    match at.parse::<ListenAt>() {
        Ok(ListenAt { host: Some(host), port: port @ 1.. }) if has_port => Ok(Proxy { host, port, login }),
        Ok(_) => Err(ViaError::NoPort),
        Err(error) => Err(ViaError::Address(error.to_string())),
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_address(f, &self.host, self.port)
    }
}

fn login_of(text: &str) -> Result<Login, ViaError> {
    let (user, password) = text.split_once(':').ok_or(ViaError::Login)?;
    let field = |text: &str| {
        let bytes = decoded(text).filter(|bytes| (1..=LOGIN_BYTES).contains(&bytes.len()));
        bytes.ok_or(ViaError::Login)
    };
    Ok(Login { user: field(user)?, password: field(password)? })
}

fn command(text: &str) -> Result<ProxyCommand, ViaError> {
    let mut has_placeholder = false;
    let mut parts = text.split('%');
    parts.next();
    while let Some(part) = parts.next() {
        match part.chars().next() {
            Some('h' | 'p') => has_placeholder = true,
            // The next part is behind `%%`.
            None if parts.next().is_some() => {}
            other => {
                let sign = other.map(String::from).unwrap_or_default();
                return Err(ViaError::Placeholder(SafeText::line(&sign)));
            }
        }
    }
    if has_placeholder {
        Ok(ProxyCommand(text.to_owned()))
    } else {
        Err(ViaError::Neither(SafeText::line(text)))
    }
}

impl ProxyCommand {
    /// The command as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The command to an address. A host may come from a stranger, and a shell reads it.
    ///
    /// # Errors
    /// [`UnsafeHost`] if the host has another character than `.:-_`, letters and digits, or begins
    /// with `-`.
    pub fn filled(&self, host: &str, port: u16) -> Result<String, UnsafeHost> {
        let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b".:-_".contains(&byte);
        if host.is_empty() || host.starts_with('-') || !host.bytes().all(is_safe) {
            return Err(UnsafeHost(SafeText::line(host)));
        }
        let mut filled = String::new();
        let mut rest = self.0.chars();
        while let Some(sign) = rest.next() {
            match (sign, if sign == '%' { rest.next() } else { None }) {
                ('%', Some('h')) => filled.push_str(host),
                ('%', Some('p')) => filled.push_str(&port.to_string()),
                (sign, _) => filled.push(sign),
            }
        }
        Ok(filled)
    }
}

impl Via {
    /// The way with the password of a proxy, for the book and for another process of the user.
    #[must_use]
    pub fn written(&self) -> String {
        match self {
            Self::Proxy(proxy @ Proxy { login: Some(Login { user, password }), .. }) => {
                format!("{SCHEME}{}:{}@{proxy}", encoded(user, is_login), encoded(password, is_login))
            }
            other => other.to_string(),
        }
    }

    /// The command, if it is one.
    #[must_use]
    pub fn command(&self) -> Option<&ProxyCommand> {
        if let Self::Command(command) = self { Some(command) } else { None }
    }

    /// The same as one word without a comma or `#`, as it stands behind an address of the book.
    pub(super) fn to_word(&self) -> String {
        encoded(self.written().as_bytes(), |byte| {
            byte.is_ascii_graphic() && !matches!(byte, b'%' | b',' | b'#')
        })
    }

    /// Reads what [`Via::to_word`] has written.
    pub(super) fn from_word(word: &str) -> Option<Self> {
        String::from_utf8(decoded(word)?).ok()?.parse().ok()
    }
}

/// The way as others may see it: without the password of a proxy.
impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct => f.write_str(DIRECT),
            Self::Proxy(proxy) => match &proxy.login {
                None => write!(f, "{SCHEME}{proxy}"),
                Some(login) => write!(f, "{SCHEME}{}@{proxy}", encoded(&login.user, is_login)),
            },
            Self::Command(command) => f.write_str(&command.0),
        }
    }
}

/// A text in which the passwords in addresses are replaced by dots: a line that was typed.
#[must_use]
pub fn without_passwords(text: &str) -> String {
    let mut parts = text.split(AUTHORITY);
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shown.push_str(AUTHORITY);
        let end = part.find(|c: char| c.is_whitespace() || c == '\'' || c == '"').unwrap_or(part.len());
        let (url, behind) = part.split_at_checked(end).unwrap_or((part, ""));
        match url.rsplit_once('@').and_then(|(login, at)| Some((login.split_once(':')?.0, at))) {
            Some((user, at)) => shown.extend([user, ":...@", at]),
            None => shown.push_str(url),
        }
        shown.push_str(behind);
    }
    shown
}

fn is_login(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, shown: &str, written: &str) {
        let via: Via = text.parse().unwrap();
        assert_eq!((via.to_string().as_str(), via.written().as_str()), (shown, written));
        assert_eq!(Via::from_word(&via.to_word()), Some(via.clone()), "{text}");
        assert_eq!(written.parse(), Ok(via));
    }

    #[test]
    fn a_way_is_a_proxy_or_a_command_and_is_shown_without_its_password() {
        check("none", "none", "none");
        check("socks5h://LocalHost:9050", "socks5h://localhost:9050", "socks5h://localhost:9050");
        check("socks5h://[::1]:9050/", "socks5h://[::1]:9050", "socks5h://[::1]:9050");
        check("socks5h://ann:s%40:e@h:1", "socks5h://ann@h:1", "socks5h://ann:s%40%3Ae@h:1");
        for command in ["ssh -W %h:%p jump", "nc %h %p # 100%%", "점프, '%h' \"%p\""] {
            check(command, command, command);
        }
        let via: Via = "socks5h://ann:secret@h:1".parse().unwrap();
        assert!(!format!("{via:?} {via}").contains("secret"));
    }

    #[test]
    fn a_fault_of_a_way_says_what_to_write() {
        for (text, said) in [
            ("127.0.0.1:9050", "127.0.0.1:9050 is no way to call; write socks5h://HOST:PORT"),
            ("", " is no way to call"),
            ("socks5://h:1", "with socks5:// this machine would look names up; write socks5h://"),
            ("http://h:1", "http:// is no SOCKS proxy; write socks5h://HOST:PORT, or for HTTP 'ncat"),
            ("socks5h://h", "the proxy has no port"),
            ("socks5h://[::1]", "the proxy has no port"),
            ("socks5h://h:x", "the address of the proxy: the port in h:x"),
            ("socks5h://ann@h:1", "user and password of a proxy have 1 to 255 bytes"),
            ("socks5h://ann:@h:1", "user and password of a proxy"),
            ("socks5h://ann:%4@h:1", "user and password of a proxy"),
            ("nc %h %d", "%d means nothing in the command"),
            ("nc %h %", "% means nothing in the command"),
            ("nc %h\n%p", "a command is one line"),
        ] {
            let error = text.parse::<Via>().unwrap_err().to_string();
            assert!(error.starts_with(said), "{text}: {error}");
        }
    }

    #[test]
    fn a_command_is_filled_only_by_what_a_shell_takes_as_it_is() {
        let Ok(Via::Command(command)) = "nc %h %p %%h%%".parse() else { panic!() };
        for host in ["bob.example", "10.0.0.1", "2001:db8::7", "a_b-c"] {
            assert_eq!(command.filled(host, 80).unwrap(), format!("nc {host} 80 %h%"));
        }
        for host in ["", "-oProxyCommand=x", "a;b", "$(id)", "a b", "`id`", "a\nb", "fe80::1%eth0", "예제"]
        {
            let error = command.filled(host, 80).unwrap_err().to_string();
            assert!(error.ends_with("a host there has only letters, digits and .:-_"), "{error}");
        }
    }

    #[test]
    fn a_typed_line_is_kept_without_its_password() {
        for (line, kept) in [
            (":connect a --via socks5h://u:p@h:1 -4", ":connect a --via socks5h://u:...@h:1 -4"),
            (":connect a --via 'socks5h://u:p@x@h:1'", ":connect a --via 'socks5h://u:...@h:1'"),
            (":connect a --via socks5h://h:1", ":connect a --via socks5h://h:1"),
            (
                "doctor --relay nats://u:p@h:1 --relay tls://u:p@h",
                "doctor --relay nats://u:...@h:1 --relay tls://u:...@h",
            ),
            ("u:p@h", "u:p@h"),
        ] {
            assert_eq!(without_passwords(line), kept);
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_so_that_it_is_read_again(text in "[ -~가-힣]{0,30}%h[ -~]{0,9}") {
            if let Ok(via) = text.parse::<Via>() {
                prop_assert_eq!(Via::from_word(&via.to_word()), Some(via.clone()));
                prop_assert_eq!(via.written().parse(), Ok(via));
            }
        }
    }
}
