//! Checks of a modulus for known weaknesses: small factors, close primes, ROCA. Cheap enough for
//! every inbound connection; no proof that a key is good.

use std::sync::LazyLock;

use crypto_bigint::{ConcatenatingSquare as _, Resize as _};
use rsa::BoxedUint;

use super::PublicKeyError;

/// Steps of Fermat's method that a key must survive.
const FERMAT_STEPS: u64 = 256;
/// Moduli by which most non-squares are recognised without big numbers.
const FILTERS: [u64; 6] = [64, 63, 65, 11, 17, 31];
/// Primes in whose residues the faulty chip's moduli lie in the subgroup of 65537 (Nemec et al.,
/// "The Return of Coppersmith's Attack", CCS 2017).
const ROCA_PRIMES: [u64; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103,
    107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/// Checks a modulus whose size is acceptable.
pub(super) fn check(n: &BoxedUint) -> Result<(), PublicKeyError> {
    let limbs: Vec<u64> = n.to_words().to_vec();
    if has_small_factor(&limbs) {
        return Err(PublicKeyError::SmallFactor);
    }
    if is_roca(&limbs) {
        return Err(PublicKeyError::Roca);
    }
    if has_close_primes(n, &limbs) {
        return Err(PublicKeyError::ClosePrimes);
    }
    Ok(())
}

/// n modulo m, for a divisor below 2^64, from little-endian limbs.
fn residue(limbs: &[u64], m: u64) -> u64 {
    let residue = limbs.iter().rev().fold(0_u128, |r, limb| (r << 64 | u128::from(*limb)) % u128::from(m));
    u64::try_from(residue).unwrap_or(0)
}

/// Several odd primes whose product fits 64 bits, so that one pass over a modulus tests them all.
struct Primes {
    product: u64,
    /// −1 / product modulo 2^64.
    inverse: u64,
    members: Vec<u64>,
}

/// The odd primes below 2^16.
static PRIMES: LazyLock<Vec<Primes>> = LazyLock::new(|| {
    let mut groups = vec![(1_u64, Vec::new())];
    for prime in odd_primes(1 << 16) {
        if let Some((product, primes)) = groups.last_mut()
            && let Some(longer) = product.checked_mul(prime)
        {
            *product = longer;
            primes.push(prime);
        } else {
            groups.push((prime, vec![prime]));
        }
    }
    let of = |(product, primes)| Primes { product, inverse: negative_inverse(product), members: primes };
    groups.into_iter().map(of).collect()
});

impl Primes {
    /// n · 2^(−64 · limbs) modulo the product, by Montgomery's reduction limb by limb. The power of
    /// two is no multiple of any of the primes, so this number is divisible by just those of them
    /// that divide n.
    fn reduce(&self, limbs: &[u64]) -> u64 {
        limbs.iter().fold(0, |rest, limb| {
            let sum = u128::from(rest) + u128::from(*limb);
            // Adding this multiple of the product makes the low limb of the sum zero.
            let multiple = low(sum).wrapping_mul(self.inverse);
            let product = u128::from(multiple) * u128::from(self.product);
            // At most product + 1, hence never too much for 64 bits.
            high(product + u128::from(low(sum))) + high(sum)
        })
    }
}

fn low(x: u128) -> u64 {
    u64::try_from(x & u128::from(u64::MAX)).unwrap_or_default()
}

fn high(x: u128) -> u64 {
    u64::try_from(x >> 64).unwrap_or_default()
}

/// −1 / x modulo 2^64 for an odd x: each of Newton's steps doubles the correct bits, from three.
fn negative_inverse(x: u64) -> u64 {
    (0..5).fold(x, |y, _| y.wrapping_mul(2_u64.wrapping_sub(x.wrapping_mul(y)))).wrapping_neg()
}

/// The odd primes below `limit`, by Eratosthenes' sieve.
fn odd_primes(limit: usize) -> impl Iterator<Item = u64> {
    let mut composite = vec![false; limit];
    (3..limit).step_by(2).filter_map(move |number| {
        if composite.get(number).copied().unwrap_or(true) {
            return None;
        }
        composite.iter_mut().skip(number).step_by(number).for_each(|mark| *mark = true);
        u64::try_from(number).ok()
    })
}

fn has_small_factor(limbs: &[u64]) -> bool {
    let even = limbs.first().is_none_or(|limb| limb.is_multiple_of(2));
    even || PRIMES.iter().any(|group| {
        let rest = group.reduce(limbs);
        group.members.iter().any(|prime| rest.is_multiple_of(*prime))
    })
}

fn is_roca(limbs: &[u64]) -> bool {
    ROCA_PRIMES.iter().all(|prime| in_subgroup(residue(limbs, *prime), *prime))
}

/// Whether `x` is a power of 65537 modulo a small prime.
fn in_subgroup(x: u64, prime: u64) -> bool {
    let generator = 65_537 % prime;
    let mut power = 1;
    loop {
        if power == x {
            return true;
        }
        power = power * generator % prime;
        if power == 1 {
            return false;
        }
    }
}

/// Fermat's method: n = a² − b² with a just above √n. The difference is tested in small residues
/// first; a full square root is taken only where all of them allow a square.
fn has_close_primes(n: &BoxedUint, limbs: &[u64]) -> bool {
    let root = n.floor_sqrt_vartime();
    if root.concatenating_square() == n.clone().resize(n.bits_precision() * 2) {
        return true;
    }
    let root_limbs = root.to_words();
    let residues = FILTERS.map(|m| (m, residue(&root_limbs, m), residue(limbs, m)));
    (1..=FERMAT_STEPS).any(|step| {
        let may_be_square =
            residues.iter().all(|(m, a, n)| is_square_residue((square(a + step, *m) + m - n) % m, *m));
        may_be_square && is_square(&root, step, n)
    })
}

fn square(x: u64, m: u64) -> u64 {
    (x % m) * (x % m) % m
}

fn is_square_residue(x: u64, m: u64) -> bool {
    (0..=m / 2).any(|y| y * y % m == x)
}

/// Whether (root + step)² − n is a perfect square.
fn is_square(root: &BoxedUint, step: u64, n: &BoxedUint) -> bool {
    let precision = n.bits_precision() + 64;
    let a = root.clone().resize(precision).wrapping_add(BoxedUint::from(step).resize(precision));
    let difference = a.wrapping_square().wrapping_sub(n.clone().resize(precision));
    let b = difference.floor_sqrt_vartime();
    b.wrapping_square() == difference
}

#[cfg(test)]
mod tests {
    use rsa::pkcs8::DecodePrivateKey as _;
    use rsa::traits::PublicKeyParts as _;

    use super::*;

    #[test]
    fn all_6541_odd_primes_below_two_to_the_sixteenth_are_tested() {
        let primes: Vec<u64> = PRIMES.iter().flat_map(|group| group.members.clone()).collect();
        assert_eq!(primes.len(), 6_541);
        assert_eq!((primes.first(), primes.last()), (Some(&3), Some(&65_521)));
        for group in PRIMES.iter() {
            assert_eq!(group.members.iter().product::<u64>(), group.product);
            assert_eq!(group.product.wrapping_mul(group.inverse), u64::MAX);
        }
    }

    #[test]
    fn a_small_factor_is_found_wherever_it_is_and_only_if_it_is() {
        // 2^89 − 1 is prime.
        let prime = (1_u128 << 89) - 1;
        for factor in [2, 3, 257, 65_519, 65_521] {
            let n = prime * factor;
            assert!(has_small_factor(&[low(n), high(n), 0]), "{factor}");
        }
        for n in [prime, prime * 65_537] {
            assert!(!has_small_factor(&[low(n), high(n)]));
        }
        assert!(has_small_factor(&[0, 0]));
    }

    #[test]
    fn every_test_key_of_the_pool_passes_since_nothing_checks_it_later() {
        let pool = [3072, 2048].map(crate::crypto::test_keys).concat();
        assert_eq!(pool.len(), 80);
        for pem in pool {
            let key = rsa::PrivateKey::from_pkcs8_pem(pem).expect("a key");
            assert_eq!(check(key.n()), Ok(()), "{pem}");
        }
    }

    #[test]
    fn the_reduction_takes_the_largest_limbs() {
        for group in PRIMES.iter() {
            let rest = group.reduce(&[u64::MAX; 48]);
            let expected = residue(&[u64::MAX; 48], group.product);
            // Multiplied by 2^64 for each limb, it is the residue again.
            let back = (0..48).fold(u128::from(rest), |r, _| (r << 64) % u128::from(group.product));
            assert_eq!(back, u128::from(expected));
        }
    }
}
