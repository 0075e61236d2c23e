//! Forms of private key files that are not read as they are, and algorithms of their locks.

use std::fmt;

use pkcs8::der::asn1::ObjectIdentifier;

/// Form of a key file that is not the one of an identity, though it may be converted to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyForm {
    /// PKCS#1, as older OpenSSL and many libraries write it.
    Pkcs1,
    /// PKCS#1 with the `Proc-Type` header of RFC 1421.
    LegacyLock,
    /// OpenSSH's own.
    OpenSsh,
}

impl fmt::Display for KeyForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pkcs1 => "PKCS#1 (BEGIN RSA PRIVATE KEY)",
            Self::LegacyLock => "PKCS#1 with legacy encryption (Proc-Type: 4,ENCRYPTED)",
            Self::OpenSsh => "OpenSSH's own form (BEGIN OPENSSH PRIVATE KEY)",
        })
    }
}

/// Algorithm of a lock that is not opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LockAlgorithm(ObjectIdentifier);

impl LockAlgorithm {
    pub(super) fn new(oid: ObjectIdentifier) -> Self {
        Self(oid)
    }

    /// Whether today's OpenSSL opens it with its provider of old algorithms only.
    #[must_use]
    pub fn is_legacy(self) -> bool {
        ALGORITHMS.iter().any(|(oid, _, age)| *oid == self.0 && *age == Age::Legacy)
    }
}

impl fmt::Display for LockAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match ALGORITHMS.iter().find(|(oid, ..)| *oid == self.0) {
            Some((_, name, _)) => f.write_str(name),
            None => write!(f, "algorithm {}", self.0),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Age {
    Default,
    Legacy,
}

const fn oid(text: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(text)
}

/// Algorithms of locks that occur and are not opened, by their names in OpenSSL, and whether its
/// default provider has them.
const ALGORITHMS: [(ObjectIdentifier, &str, Age); 19] = [
    (oid("1.2.840.113549.1.5.1"), "PBE-MD2-DES", Age::Legacy),
    (oid("1.2.840.113549.1.5.3"), "PBE-MD5-DES", Age::Legacy),
    (oid("1.2.840.113549.1.5.4"), "PBE-MD2-RC2-64", Age::Legacy),
    (oid("1.2.840.113549.1.5.6"), "PBE-MD5-RC2-64", Age::Legacy),
    (oid("1.2.840.113549.1.5.10"), "PBE-SHA1-DES", Age::Legacy),
    (oid("1.2.840.113549.1.5.11"), "PBE-SHA1-RC2-64", Age::Legacy),
    (oid("1.2.840.113549.1.12.1.1"), "PBE-SHA1-RC4-128", Age::Legacy),
    (oid("1.2.840.113549.1.12.1.2"), "PBE-SHA1-RC4-40", Age::Legacy),
    (oid("1.2.840.113549.1.12.1.3"), "PBE-SHA1-3DES", Age::Default),
    (oid("1.2.840.113549.1.12.1.4"), "PBE-SHA1-2DES", Age::Default),
    (oid("1.2.840.113549.1.12.1.5"), "PBE-SHA1-RC2-128", Age::Legacy),
    (oid("1.2.840.113549.1.12.1.6"), "PBE-SHA1-RC2-40", Age::Legacy),
    (oid("1.3.14.3.2.7"), "DES-CBC", Age::Legacy),
    (oid("1.2.840.113549.3.2"), "RC2-CBC", Age::Legacy),
    (oid("1.2.392.200011.61.1.1.1.4"), "CAMELLIA-256-CBC", Age::Default),
    (oid("1.2.410.200046.1.1.12"), "ARIA-256-CBC", Age::Default),
    (oid("2.16.840.1.101.3.4.2.15"), "hmacWithSHA3-384", Age::Default),
    (oid("1.2.840.113549.2.13"), "hmacWithSHA512-256", Age::Default),
    (oid("1.3.6.1.5.5.8.1.1"), "hmacWithMD5", Age::Default),
];
