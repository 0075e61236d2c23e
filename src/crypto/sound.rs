//! Whether a modulus is fit to carry secrets: no small factor, no close primes, not from the faulty chip.
//! Cheap enough for every caller; it is no proof that a key is good, only that it is not known to be bad.

use std::sync::LazyLock;

use crypto_bigint::{ConcatenatingSquare as _, Resize as _};
use rsa::BoxedUint;

use super::KeyFault;

/// Steps of Fermat's method that a key must survive.
const FERMAT_STEPS: u64 = 256;
/// Moduli by which most non-squares are told from squares without big numbers.
const FILTERS: [u64; 6] = [64, 63, 65, 11, 17, 31];
/// Primes in whose residues the faulty chip's moduli lie in the subgroup of 65537 (Nemec et al., "The
/// Return of Coppersmith's Attack", CCS 2017).
const ROCA_PRIMES: [u64; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103,
    107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/// Looks at a modulus whose size is acceptable.
pub(super) fn check(n: &BoxedUint) -> Result<(), KeyFault> {
    let limbs: Vec<u64> = n.to_words().to_vec();
    if has_small_factor(&limbs) {
        return Err(KeyFault::SmallFactor);
    }
    if is_roca(&limbs) {
        return Err(KeyFault::Roca);
    }
    if has_close_primes(n, &limbs) {
        return Err(KeyFault::ClosePrimes);
    }
    Ok(())
}

/// n modulo m, for a divisor below 2^64, from little-endian limbs.
fn residue(limbs: &[u64], m: u64) -> u64 {
    let residue = limbs.iter().rev().fold(0_u128, |r, limb| (r << 64 | u128::from(*limb)) % u128::from(m));
    u64::try_from(residue).unwrap_or(0)
}

/// Products of the primes below 2^16, as many in each as fit 64 bits: one division of the modulus serves
/// four primes and more.
static PRIME_PRODUCTS: LazyLock<Vec<u64>> = LazyLock::new(|| {
    let mut composite = vec![false; 1 << 16];
    let mut products = vec![1_u64];
    for candidate in 2..composite.len() {
        if composite.get(candidate).copied().unwrap_or(true) {
            continue;
        }
        composite.iter_mut().skip(candidate * candidate).step_by(candidate).for_each(|slot| *slot = true);
        let prime = candidate as u64;
        match products.last_mut().and_then(|last| last.checked_mul(prime).map(|product| (last, product))) {
            Some((last, product)) => *last = product,
            None => products.push(prime),
        }
    }
    products
});

fn has_small_factor(limbs: &[u64]) -> bool {
    PRIME_PRODUCTS.iter().any(|product| gcd(residue(limbs, *product), *product) != 1)
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
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

/// Fermat: n = a² − b² with a just above √n. The difference is looked at in small residues first; a full
/// square root is taken only where all of them allow a square.
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
