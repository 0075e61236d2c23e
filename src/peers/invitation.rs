//! Invitation as a URL (`docs/PROTOCOL.md`, section 11): where somebody can be called, with which
//! key, and a token that its holder shows there. What is written is read again.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::Rng as _;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::address::{AddressError, Target};
use super::name::{Name, NameError};
use super::percent_encoding::{decoded, encoded};
use super::relay_url::{RelayUrl, Transport};
use crate::crypto::{Fingerprint, FingerprintError, Inbox, Seed};
use crate::text::safe::SafeText;
use crate::wire::{TOKEN_BYTES, Token};

/// Scheme of the URL, with what separates it from the rest.
pub const SCHEME: &str = "rsachat://";
/// Most bytes of an invitation.
pub const INVITATION_BYTES: usize = 1_024;
/// Most addresses of an invitation.
pub const INVITATION_ADDRESSES: usize = 8;
/// Key of the parameter that holds the token.
const TOKEN_KEY: &str = "i";
/// Key of the parameter that holds the relay.
const RELAY_KEY: &str = "r";
/// What separates the parts of that.
const PART: char = '~';

/// Invitation of the holder of a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invitation {
    /// Name that the holder has given itself: a claim.
    pub name: Option<Name>,
    /// Where it can be called, at least one; to be tried in this order.
    pub addresses: Vec<Target>,
    /// What is shown there.
    pub token: Token,
    /// The only key that is accepted there.
    pub key: Fingerprint,
    /// Where a letter can be left, for when nobody answers there.
    pub relay: Option<InvitationRelay>,
}

/// Relay of an invitation, and the place there of a first letter with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InvitationRelay {
    /// The relay.
    pub url: RelayUrl,
    /// The inbox.
    pub inbox: Inbox,
}

/// SHA-256 of a token, which is all that its maker keeps.
#[derive(Clone, Copy, Debug)]
pub struct TokenHash([u8; 32]);

/// Fault of an invitation, with what to do about it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each variant is its sentence")]
pub enum InvitationError {
    #[error("an invitation has at most {INVITATION_BYTES} bytes; ask for a new one")]
    Long,
    #[error("an invitation begins with {SCHEME}; copy it whole")]
    Scheme,
    #[error("the invitation has no key at its end: # and SHA256: with 43 characters; copy it whole")]
    NoKey,
    #[error("the key at the end of the invitation is {0}; copy it whole")]
    Key(FingerprintError),
    #[error("the invitation has no /? behind its addresses; copy it whole")]
    NoToken,
    #[error("the invitation has no i= with 22 characters behind its addresses; copy it whole")]
    Token,
    #[error("the relay of the invitation, {0}, is not written as one; copy it whole")]
    Relay(SafeText),
    #[error("the invitation has {0} twice; ask for a new one")]
    Twice(SafeText),
    #[error("the invitation has {0} behind its addresses, which means nothing; copy it whole")]
    Parameter(SafeText),
    #[error("the name in the invitation: {0}; ask for a new one")]
    Name(NameError),
    #[error("the invitation has more than {INVITATION_ADDRESSES} addresses; ask for a new one")]
    Addresses,
    #[error("an address in the invitation: {0}")]
    Address(AddressError),
    #[error("{0} in the invitation is an address of one machine only; ask for another")]
    Zone(SafeText),
}

/// A text in which the tokens of invitations are replaced by dots: a line that was typed.
#[must_use]
pub fn without_tokens(text: &str) -> String {
    let (mut shown, mut rest) = (String::new(), text);
    // Letters of other scripts may have other lengths in lower case.
    while let Some(at) = rest.to_ascii_lowercase().find(SCHEME) {
        let (before, found) = rest.split_at_checked(at).unwrap_or((rest, ""));
        let end = found.find(char::is_whitespace).unwrap_or(found.len());
        let (url, behind) = found.split_at_checked(end).unwrap_or((found, ""));
        shown.push_str(before);
        for (number, parameter) in url.split_inclusive(['?', '&', '#']).enumerate() {
            let value = parameter.strip_prefix("i=").filter(|_| number > 0);
            match value.map(|value| value.find(['&', '#']).unwrap_or(value.len())) {
                Some(end) => shown.extend(["i=...", parameter.get(2 + end..).unwrap_or_default()]),
                None => shown.push_str(parameter),
            }
        }
        rest = behind;
    }
    shown + rest
}

/// A new token; nothing else may come of the same seed.
#[must_use]
pub fn new_token(seed: &Seed) -> Token {
    let mut bytes = Zeroizing::new([0; TOKEN_BYTES]);
    seed.rng("token").fill_bytes(bytes.as_mut_slice());
    Token::new(*bytes)
}

impl TokenHash {
    /// What is kept of a token.
    #[must_use]
    pub fn of(token: &Token) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }
}

impl PartialEq for TokenHash {
    /// In a time that says nothing about either.
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for TokenHash {}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl FromStr for TokenHash {
    type Err = InvitationError;

    fn from_str(text: &str) -> Result<Self, InvitationError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvitationError::Token)?;
        bytes.try_into().map(Self).map_err(|_| InvitationError::Token)
    }
}

impl Invitation {
    /// Whether a text is written as one, be it whole or not.
    #[must_use]
    pub fn is_meant_by(text: &str) -> bool {
        text.get(..SCHEME.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(SCHEME))
    }
}

impl fmt::Display for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SCHEME)?;
        if let Some(name) = &self.name {
            write!(f, "{}@", encoded(name.as_str().as_bytes(), is_unescaped))?;
        }
        let addresses: Vec<_> = self.addresses.iter().map(Target::to_string).collect();
        let token = Zeroizing::new(URL_SAFE_NO_PAD.encode(self.token.as_bytes()));
        write!(f, "{}/?{TOKEN_KEY}={}", addresses.join(","), *token)?;
        if let Some(InvitationRelay { url: RelayUrl { transport, host, port }, inbox }) = &self.relay {
            let transport = word_of(*transport);
            write!(f, "&{RELAY_KEY}={transport}{PART}{host}{PART}{port}{PART}{inbox}")?;
        }
        write!(f, "#{}", self.key)
    }
}

impl FromStr for Invitation {
    type Err = InvitationError;

    fn from_str(text: &str) -> Result<Self, InvitationError> {
        if text.len() > INVITATION_BYTES {
            return Err(InvitationError::Long);
        }
        let rest = text.get(SCHEME.len()..).filter(|_| Self::is_meant_by(text));
        let (rest, key) =
            rest.ok_or(InvitationError::Scheme)?.split_once('#').ok_or(InvitationError::NoKey)?;
        let key = key.parse().map_err(InvitationError::Key)?;
        let (authority, query) = rest.split_once("/?").ok_or(InvitationError::NoToken)?;
        let (token, relay) = parameters(query)?;
        let (name, hosts) = match authority.split_once('@') {
            Some((claimed, hosts)) => (Some(name(claimed)?), hosts),
            None => (None, authority),
        };
        let addresses = hosts.split(',').map(address).collect::<Result<Vec<_>, _>>()?;
        if addresses.len() > INVITATION_ADDRESSES {
            return Err(InvitationError::Addresses);
        }
        Ok(Self { name, addresses, token, key, relay })
    }
}

fn address(text: &str) -> Result<Target, InvitationError> {
    if text.contains('%') {
        return Err(InvitationError::Zone(SafeText::line(text)));
    }
    text.parse().map_err(InvitationError::Address)
}

/// The token and the relay among the parameters. Those that a later version may add are left alone.
fn parameters(query: &str) -> Result<(Token, Option<InvitationRelay>), InvitationError> {
    let (mut token, mut relay, mut keys) = (None, None, Vec::new());
    for parameter in query.split('&') {
        let named = parameter.split_once('=').filter(|(key, value)| {
            let is_key = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_lowercase());
            is_key && value.bytes().all(is_plain)
        });
        let (key, value) = named.ok_or_else(|| InvitationError::Parameter(SafeText::line(parameter)))?;
        if keys.contains(&key) {
            return Err(InvitationError::Twice(SafeText::line(&format!("{key}="))));
        }
        keys.push(key);
        if key == TOKEN_KEY {
            token = Some(read_token(value)?);
        } else if key == RELAY_KEY {
            let read = read_relay(value).ok_or_else(|| InvitationError::Relay(SafeText::line(value)));
            relay = Some(read?);
        }
    }
    Ok((token.ok_or(InvitationError::Token)?, relay))
}

fn read_relay(text: &str) -> Option<InvitationRelay> {
    let parts: Vec<_> = text.split(PART).collect();
    let [transport, host, port, inbox] = parts.as_slice() else { return None };
    let host = if host.contains(':') { format!("[{host}]") } else { (*host).to_owned() };
    let url: RelayUrl = format!("{transport}://{host}:{port}").parse().ok()?;
    Some(InvitationRelay { url, inbox: Inbox::parse(inbox)? })
}

fn word_of(transport: Transport) -> &'static str {
    match transport {
        Transport::Plain => "nats",
        Transport::Tls => "tls",
    }
}

fn read_token(text: &str) -> Result<Token, InvitationError> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map(Zeroizing::new).map_err(|_| InvitationError::Token)?;
    let bytes: [u8; TOKEN_BYTES] = bytes.as_slice().try_into().map_err(|_| InvitationError::Token)?;
    Ok(Token::new(bytes))
}

/// Unreserved characters of RFC 3986, and those that stand in an address.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte)
}

/// Whether a byte of a name needs no escape in any part of a URL.
fn is_unescaped(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_~".contains(&byte)
}

fn name(text: &str) -> Result<Name, InvitationError> {
    let text = decoded(text).and_then(|bytes| String::from_utf8(bytes).ok());
    let text = text.ok_or(InvitationError::Name(NameError::Character))?;
    Name::parse(&text).map_err(InvitationError::Name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: &str = "SHA256:34b0nd4U4xgajimNssmbTsKe5lHXNENQ7Z5XW/Qg2kY";
    const TOKEN: &str = "AAECAwQFBgcICQoLDA0ODw";
    const INBOX: &str = "aaaqeayeaudaocajbifqydiob4";

    fn check(text: &str, expected: &str) {
        match text.parse::<Invitation>() {
            Ok(invitation) => {
                assert_eq!(invitation.to_string(), expected, "{text}");
                assert_eq!(expected.parse(), Ok(invitation));
            }
            Err(error) => assert_eq!(error.to_string(), expected, "{text}"),
        }
    }

    #[test]
    fn every_form_of_an_invitation_is_read_and_written_in_one() {
        for (text, expected) in [
            ("h.example/?i=T#K", "h.example:8000/?i=T#K"),
            (
                "bob@H.example:9,[2001:db8::7],abc.onion./?i=T#K",
                "bob@h.example:9,[2001:db8::7]:8000,abc.onion:8000/?i=T#K",
            ),
            ("홍길동@1.2.3.4:80/?i=T#K", "%ED%99%8D%EA%B8%B8%EB%8F%99@1.2.3.4:80/?i=T#K"),
            ("%ED%99%8d@h:1/?i=T#K", "%ED%99%8D@h:1/?i=T#K"),
            ("h:1/?later=&i=T#K", "h:1/?i=T#K"),
            ("h:1/?r=tls~relay.example~4222~N&i=T#K", "h:1/?i=T&r=tls~relay.example~4222~N#K"),
            ("h:1/?i=T&r=nats~2001:db8::7~9~N#K", "h:1/?i=T&r=nats~2001:db8::7~9~N#K"),
        ] {
            let whole = |text: &str| {
                format!("{SCHEME}{text}")
                    .replace("i=T", &format!("i={TOKEN}"))
                    .replace("~N", &format!("~{INBOX}"))
                    .replace("#K", &format!("#{KEY}"))
            };
            check(&whole(text), &whole(expected));
        }
        let upper = format!("RSACHAT://h:1/?i={TOKEN}#{KEY}");
        assert_eq!(upper.parse::<Invitation>().unwrap().to_string(), upper.replace("RSACHAT", "rsachat"));
    }

    #[test]
    fn a_damaged_invitation_is_refused_in_words_that_say_what_is_wrong() {
        let whole = format!("{SCHEME}h:1/?i={TOKEN}#{KEY}");
        for (text, expected) in [
            ("http://h/".to_owned(), "an invitation begins with rsachat://; copy it whole"),
            (
                whole[..whole.len() - KEY.len() - 1].to_owned(),
                "the invitation has no key at its end: # and SHA256: with 43 characters; copy it whole",
            ),
            (
                whole[..whole.len() - 1].to_owned(),
                "the key at the end of the invitation is not a complete fingerprint: it is SHA256: and 43 characters; copy it whole",
            ),
            (whole.replace("/?", "/"), "the invitation has no /? behind its addresses; copy it whole"),
            (
                whole.replace(TOKEN, &TOKEN[1..]),
                "the invitation has no i= with 22 characters behind its addresses; copy it whole",
            ),
            // The last character has bits that stand for nothing.
            (
                whole.replace(TOKEN, "AAECAwQFBgcICQoLDA0ODz"),
                "the invitation has no i= with 22 characters behind its addresses; copy it whole",
            ),
            (
                whole.replace("i=", "j="),
                "the invitation has no i= with 22 characters behind its addresses; copy it whole",
            ),
            (
                whole.replace("?i=", &format!("?i={TOKEN}&i=")),
                "the invitation has i= twice; ask for a new one",
            ),
            (
                whole.replace('#', "&x#"),
                "the invitation has x behind its addresses, which means nothing; copy it whole",
            ),
            (
                whole.replace('#', "&x=;rm#"),
                "the invitation has x=;rm behind its addresses, which means nothing; copy it whole",
            ),
            (
                whole.replace("h:1", "1b@h:1"),
                "the name in the invitation: a name begins with a letter; ask for a new one",
            ),
            (
                whole.replace("h:1", "b%2@h:1"),
                "the name in the invitation: a name has letters, digits, - and _ only; ask for a new one",
            ),
            (
                whole.replace("h:1", "b%0a@h:1"),
                "the name in the invitation: a name has letters, digits, - and _ only; ask for a new one",
            ),
            (
                whole.replace("h:1", "h:0"),
                "an address in the invitation: nobody answers on port 0, as in h:0; name the port that the other side printed",
            ),
            (
                whole.replace("h:1", "[fe80::1%eth0]:1"),
                "[fe80::1%eth0]:1 in the invitation is an address of one machine only; ask for another",
            ),
            (
                whole.replace("h:1", "h:1,h:2,h:3,h:4,h:5,h:6,h:7,h:8,h:9"),
                "the invitation has more than 8 addresses; ask for a new one",
            ),
            (
                format!("{SCHEME}{}", "h".repeat(INVITATION_BYTES)),
                "an invitation has at most 1024 bytes; ask for a new one",
            ),
        ] {
            check(&text, expected);
        }
        for relay in [
            "relay.example",
            "tls~relay.example~4222",
            "tls~relay.example~0~I",
            "ws~relay.example~4222~I",
            "tls~-x~4222~I",
            "tls~relay.example~4222~AAAQEAYEAUDAOCAJBIFQYDIOB4",
            "tls~relay.example~4222~aaaqeayeaudaocajbifqydiob",
            "tls~relay.example~4222~I~I",
        ] {
            let relay = relay.replace('I', INBOX);
            let expected =
                format!("the relay of the invitation, {relay}, is not written as one; copy it whole");
            check(&whole.replace('#', &format!("&r={relay}#")), &expected);
        }
        let hosts = ["-oProxyCommand=x", "h;rm", "$(id)", "a b", "h\u{1b}[2J"];
        for host in hosts {
            let refused = whole.replace("h:1", host).parse::<Invitation>().unwrap_err().to_string();
            assert!(refused.starts_with("an address in the invitation: "), "{refused}");
            assert!(!refused.contains('\u{1b}'));
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            claim in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..60)),
            hosts in proptest::collection::vec(("[a-z0-9][a-z0-9.]{0,20}[a-z]", 1_u16..), 1..8),
            ip in any::<[u16; 8]>(),
            (token, key) in (any::<[u8; 16]>(), any::<[u8; 32]>()),
            relay in proptest::option::of((any::<[u8; 32]>(), any::<bool>())),
        ) {
            let mut addresses: Vec<Target> =
                hosts.iter().filter_map(|(host, port)| format!("{host}:{port}").parse().ok()).collect();
            addresses.truncate(INVITATION_ADDRESSES - 1);
            addresses.push(std::net::SocketAddr::from((ip, 7)).into());
            let name = claim.map(|claim| Name::claimed(&claim));
            let (token, key) = (Token::new(token), Fingerprint::from_bytes(key));
            let relay = relay.map(|(seed, is_ip)| {
                let url = if is_ip { format!("tls://[{}]:1", std::net::Ipv6Addr::from(ip)) } else { "nats://h".into() };
                InvitationRelay { url: url.parse().unwrap(), inbox: Inbox::random(&Seed::new(seed)) }
            });
            let invitation = Invitation { name, addresses, token, key, relay };
            let written = invitation.to_string();
            prop_assert!(written.is_ascii());
            prop_assert_eq!(written.parse(), Ok(invitation));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "(rsachat://)?[ -~]{0,120}") {
            if let Ok(invitation) = text.parse::<Invitation>() {
                prop_assert_eq!(invitation.to_string().parse(), Ok(invitation));
            }
        }
    }

    #[test]
    fn a_line_that_was_typed_is_kept_without_the_tokens_in_it() {
        let url = format!("{SCHEME}민지@h:1,[::1]:2/?r=x&i={TOKEN}&later=1#{KEY}");
        let bare = url.replace(TOKEN, "...");
        for (line, kept) in [
            (url.clone(), bare.clone()),
            (url.to_uppercase().replace("I=", "i="), bare.to_uppercase().replace("I=", "i=")),
            (format!(":connect {url} --pin x\n@İ {url}"), format!(":connect {bare} --pin x\n@İ {bare}")),
            (format!("{SCHEME}h/?i={TOKEN}"), format!("{SCHEME}h/?i=...")),
            ("a ?i=b https://x/?i=c".to_owned(), "a ?i=b https://x/?i=c".to_owned()),
        ] {
            assert_eq!(without_tokens(&line), kept);
        }
    }

    #[test]
    fn a_token_shows_nowhere_but_in_its_invitation() {
        let token = read_token(TOKEN).unwrap();
        assert_eq!(format!("{token:?}"), "Token { .. }");
        let hash = TokenHash::of(&token);
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert!(hash != TokenHash::of(&Token::new([0; 16])));
    }
}
