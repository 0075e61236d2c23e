//! `ssh-rsa` public key blob (RFC 4253, section 6.6; integers as in RFC 4251, section 5): string
//! "ssh-rsa", mpint e, mpint n. Read strictly: what is read is written back byte for byte.

const KIND: &[u8] = b"ssh-rsa";

/// The two numbers of exactly one blob, big-endian without leading zeros.
pub(super) fn read(blob: &[u8]) -> Option<(&[u8], &[u8])> {
    let (kind, rest) = field(blob)?;
    let (exponent, rest) = field(rest)?;
    let (modulus, rest) = field(rest)?;
    if kind != KIND || !rest.is_empty() {
        return None;
    }
    Some((magnitude(exponent)?, magnitude(modulus)?))
}

/// The blob of two numbers, given big-endian without leading zeros.
pub(super) fn write(exponent: &[u8], modulus: &[u8]) -> Vec<u8> {
    let mut blob = Vec::with_capacity(modulus.len() + exponent.len() + 21);
    put(&mut blob, KIND);
    for number in [exponent, modulus] {
        // An mpint is signed: a leading one bit needs a zero byte before it.
        let sign = number.first().filter(|byte| **byte >= 0x80).map(|_| 0);
        put(&mut blob, &sign.into_iter().chain(number.iter().copied()).collect::<Vec<u8>>());
    }
    blob
}

fn put(blob: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    blob.extend_from_slice(&length.to_be_bytes());
    blob.extend_from_slice(bytes);
}

fn field(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

/// A positive mpint in its one right form.
fn magnitude(mpint: &[u8]) -> Option<&[u8]> {
    match mpint {
        [] | [0] => None,
        [0, next, ..] if *next < 0x80 => None,
        [0, rest @ ..] => Some(rest),
        [first, ..] if *first >= 0x80 => None,
        whole => Some(whole),
    }
}
