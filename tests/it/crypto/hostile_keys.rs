//! Hostile public keys: each is refused, for its own reason, in next to no time.

use std::time::Duration;

use crypto_bigint::{BoxedUint, ConcatenatingMul};
use rsachat::crypto::{PublicKey, PublicKeyError};

use super::keys::{cpu_time, good, identity};

const F4: &[u8] = &[1, 0, 1];

fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

/// A blob with these very bytes for the numbers, right or wrong.
fn raw(kind: &[u8], e: &[u8], n: &[u8]) -> Vec<u8> {
    [string(kind), string(e), string(n)].concat()
}

/// A blob of a modulus of whole bytes with its top bit set, so that it needs a zero byte before it.
fn blob(e: &[u8], n: &[u8]) -> Vec<u8> {
    raw(b"ssh-rsa", e, &[&[0], n].concat())
}

fn with_top_bit(n: &[u8]) -> Vec<u8> {
    [&[n[0] | 0x80], &n[1..]].concat()
}

fn check(what: &str, blob: &[u8], expected: PublicKeyError) {
    let before = cpu_time();
    assert_eq!(PublicKey::from_blob(blob), Err(expected), "{what}");
    let spent = cpu_time().saturating_sub(before);
    // Without optimisation and on a slow machine: only a blunder shows here.
    assert!(spent < Duration::from_secs(2), "{what}: {spent:?}");
}

#[test]
fn the_good_key_that_the_others_are_made_from_is_accepted() {
    let key = PublicKey::from_blob(&blob(F4, &good())).unwrap();
    assert_eq!((key.bits(), &key), (2048, identity("alice-2048").public()));
}

#[test]
fn sizes_outside_2048_to_8192_bits_are_refused() {
    let n = good();
    check("512 bits", &blob(F4, &with_top_bit(&n[192..])), PublicKeyError::TooShort(512));
    check("2040 bits", &blob(F4, &with_top_bit(&n[1..])), PublicKeyError::TooShort(2040));
    check("16384 bits", &blob(F4, &n.repeat(8)), PublicKeyError::TooLong(16_384));
    check("8200 bits", &blob(F4, &[&n.repeat(4)[..], &[1]].concat()), PublicKeyError::TooLong(8_200));
    check("2047 bits", &raw(b"ssh-rsa", F4, &[&[0x7f], &n[1..]].concat()), PublicKeyError::TooShort(2_047));
    check("zero", &raw(b"ssh-rsa", F4, &[]), PublicKeyError::Malformed);
    let one = PublicKey::from_blob(&raw(b"ssh-rsa", F4, &[1])).unwrap_err();
    assert_eq!(one.to_string(), "1 bits, at least 2048 needed");
}

#[test]
fn every_exponent_but_65537_is_refused() {
    for e in [&[1][..], &[2], &[3], &[17], &[1, 0, 0], &[1, 0, 2], &[2, 0, 0, 0, 1]] {
        check("another exponent", &blob(e, &good()), PublicKeyError::Exponent);
    }
    check("no exponent", &blob(&[], &good()), PublicKeyError::Malformed);
    check("a negative exponent", &blob(&[0xff], &good()), PublicKeyError::Malformed);
    check("a padded exponent", &blob(&[0, 1, 0, 1], &good()), PublicKeyError::Malformed);
}

#[test]
fn another_spelling_of_the_same_key_is_refused() {
    let (n, whole) = (good(), blob(F4, &good()));
    check("a negative modulus", &raw(b"ssh-rsa", F4, &n), PublicKeyError::Malformed);
    check("a padded modulus", &blob(F4, &[&[0], &n[..]].concat()), PublicKeyError::Malformed);
    check("a byte after the end", &[&whole[..], &[0]].concat(), PublicKeyError::Malformed);
    check("a second key after it", &whole.repeat(2), PublicKeyError::Malformed);
    for end in 0..whole.len() {
        check("cut", &whole[..end], PublicKeyError::Malformed);
    }
    check("a length beyond everything", &[0xff; 300], PublicKeyError::Malformed);
}

#[test]
fn other_kinds_of_key_are_refused() {
    for kind in
        [&b"ssh-dss"[..], b"ssh-ed25519", b"ssh-rsa-cert-v01@openssh.com", b"rsa-sha2-256", b"SSH-RSA", b""]
    {
        check("another kind", &raw(kind, F4, &good()), PublicKeyError::Malformed);
    }
    check("ed25519", &[string(b"ssh-ed25519"), string(&[7; 32])].concat(), PublicKeyError::Malformed);
}

#[test]
fn small_factors_are_found() {
    let mut even = good();
    even[255] &= 0xfe;
    check("even", &blob(F4, &even), PublicKeyError::SmallFactor);
    for prime in [3_u32, 5, 257, 32_749, 65_519, 65_521] {
        let n = times(&number(&good()), &BoxedUint::from(prime));
        // To whole bytes again: the product grew by the bits of the prime.
        let n = times(&n, &power_of_two((8 - n.bit_width() % 8) % 8));
        check(&format!("{prime}"), &bytes_blob(&n), PublicKeyError::SmallFactor);
    }
}

#[test]
fn squares_and_close_primes_are_found() {
    let p = without_small_factors(|index| plus(&half(1024, 0xf3), 2 * index));
    check("a square", &bytes_blob(&times(&p, &p)), PublicKeyError::ClosePrimes);
    // n = (p + 2^k)(p − 2^k) has Fermat's difference b = 2^k, found after about 2^(2k − 1) / p
    // steps.
    for k in [100, 400, 512, 514] {
        let n = without_small_factors(|index| {
            let middle = plus(&half(1024, 0xf3), 2 * index);
            times(&middle.wrapping_add(power_of_two(k)), &middle.wrapping_sub(power_of_two(k)))
        });
        check(&format!("primes 2^{} apart", k + 1), &bytes_blob(&n), PublicKeyError::ClosePrimes);
    }
}

#[test]
fn keys_of_the_faulty_chip_are_found() {
    // p = k · M + 65537^a mod M with M the product of the first 126 primes, as that library made
    // 2,048-bit keys.
    let m = (2..702_u32)
        .filter(|x| (2..*x).all(|y| x % y != 0))
        .fold(BoxedUint::from(1_u32), |m, prime| times(&m, &BoxedUint::from(prime)));
    let power = (0..60).fold(BoxedUint::from(1_u32), |power, _| times(&power, &BoxedUint::from(65_537_u32)));
    assert!(power < m && m.bit_width() == 971);
    let factor = |k: u64| times(&m, &BoxedUint::from((0x3f << 47) + k)).wrapping_add(power.clone());
    let n = without_small_factors(|index| {
        let index = u64::from(index);
        times(&factor(3 * index), &factor(7 * index + 1_000_000))
    });
    check("ROCA", &bytes_blob(&n), PublicKeyError::Roca);
}

/// The first of many numbers that is not refused for a small factor, which would hide what is
/// looked for.
fn without_small_factors(make: impl Fn(u32) -> BoxedUint) -> BoxedUint {
    (0..5_000)
        .map(make)
        .find(|n| {
            let n = if n.bit_width() < 2_000 { times(n, n) } else { n.clone() };
            PublicKey::from_blob(&bytes_blob(&n)) != Err(PublicKeyError::SmallFactor)
        })
        .unwrap()
}

/// An odd number of `bits` bits that begins with `top` and goes on without a pattern.
fn half(bits: usize, top: u8) -> BoxedUint {
    let mut bytes = good()[..bits / 8].to_vec();
    bytes[0] = top;
    bytes[bits / 8 - 1] |= 1;
    number(&bytes)
}

fn number(bytes: &[u8]) -> BoxedUint {
    BoxedUint::from_be_slice_vartime(bytes)
}

fn times(a: &BoxedUint, b: &BoxedUint) -> BoxedUint {
    a.concatenating_mul(b)
}

fn plus(a: &BoxedUint, b: u32) -> BoxedUint {
    a.wrapping_add(BoxedUint::from(b))
}

fn power_of_two(k: u32) -> BoxedUint {
    let mut bytes = vec![0; k as usize / 8 + 1];
    bytes[0] = 1 << (k % 8);
    number(&bytes)
}

fn bytes_blob(n: &BoxedUint) -> Vec<u8> {
    let bytes = n.to_be_bytes_trimmed_vartime();
    if bytes[0] >= 0x80 { blob(F4, &bytes) } else { raw(b"ssh-rsa", F4, &bytes) }
}
