//! X-Wing of the `x-wing` crate against ML-KEM-768 (FIPS 203) and X25519 (RFC 7748) of AWS-LC: two
//! implementations that share no code have to agree, on what opens and on what does not.

use aws_lc_rs::agreement::{
    self, EphemeralPrivateKey, PrivateKey, UnparsedPublicKey, X25519, agree_ephemeral,
};
use aws_lc_rs::digest::{SHA3_256, digest};
use aws_lc_rs::kem::{DecapsulationKey, EncapsulationKey, ML_KEM_768};
use aws_lc_rs::rand::SystemRandom;
use ml_kem::Decapsulate as _;
use ml_kem::array::Array;
use ml_kem::ml_kem_768;
use rand::rngs::SysRng;
use rand::{RngExt as _, rand_core::UnwrapErr};
use x_wing::{Decapsulator as _, Encapsulate as _, Generate as _, KeyExport as _};

/// Pairs of keys that are tried in each direction.
const ROUNDS: usize = 32;
/// Bytes of the parts of ML-KEM-768 in a public key and in a ciphertext.
const KEM_KEY_BYTES: usize = 1184;
const KEM_CIPHERTEXT_BYTES: usize = 1088;
/// Label of the combiner (draft-connolly-cfrg-xwing-kem, section 5.3).
const LABEL: &[u8] = br"\.//^\";

/// The shared secret of X-Wing, from those of its parts.
fn combine(ss_m: &[u8], ss_x: &[u8], ct_x: &[u8], pk_x: &[u8]) -> Vec<u8> {
    digest(&SHA3_256, &[ss_m, ss_x, ct_x, pk_x, LABEL].concat()).as_ref().to_vec()
}

fn random() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

#[test]
fn x_wing_opens_what_aws_lc_seals() {
    for _ in 0..ROUNDS {
        let key = x_wing::DecapsulationKey::generate_from_rng(&mut random());
        let public = key.encapsulation_key().to_bytes();
        let (pk_m, pk_x) = public.split_at(KEM_KEY_BYTES);
        let (ct_m, ss_m) = EncapsulationKey::new(&ML_KEM_768, pk_m).unwrap().encapsulate().unwrap();
        let ephemeral = EphemeralPrivateKey::generate(&X25519, &SystemRandom::new()).unwrap();
        let ct_x = ephemeral.compute_public_key().unwrap();
        let there = UnparsedPublicKey::new(&X25519, pk_x);
        let expected = agree_ephemeral(ephemeral, there, (), |ss_x| {
            Ok(combine(ss_m.as_ref(), ss_x, ct_x.as_ref(), pk_x))
        });
        let ciphertext = [ct_m.as_ref(), ct_x.as_ref()].concat();
        let opened = x_wing::Decapsulate::decapsulate(&key, &ciphertext.as_slice().try_into().unwrap());
        assert_eq!(opened[..], expected.unwrap()[..]);
    }
}

#[test]
fn aws_lc_opens_what_x_wing_seals() {
    for _ in 0..ROUNDS {
        let key_m = DecapsulationKey::generate(&ML_KEM_768).unwrap();
        let key_x = PrivateKey::generate(&X25519).unwrap();
        let pk_m = key_m.encapsulation_key().unwrap().key_bytes().unwrap();
        let pk_x = key_x.compute_public_key().unwrap();
        let public = [pk_m.as_ref(), pk_x.as_ref()].concat();
        let public = x_wing::EncapsulationKey::try_from(public.as_slice()).unwrap();
        let (ciphertext, sealed) = public.encapsulate_with_rng(&mut random());
        let (ct_m, ct_x) = ciphertext.split_at(KEM_CIPHERTEXT_BYTES);
        let ss_m = key_m.decapsulate(ct_m.into()).unwrap();
        let there = UnparsedPublicKey::new(&X25519, ct_x);
        let opened =
            agreement::agree(&key_x, there, (), |ss_x| Ok(combine(ss_m.as_ref(), ss_x, ct_x, pk_x.as_ref())));
        assert_eq!(sealed[..], opened.unwrap()[..]);
    }
}

#[test]
#[expect(deprecated, reason = "an expanded key is the form in which AWS-LC gives its own")]
fn both_give_the_same_secret_for_a_ciphertext_that_was_damaged() {
    for _ in 0..ROUNDS {
        let key = DecapsulationKey::generate(&ML_KEM_768).unwrap();
        let (ciphertext, sealed) = key.encapsulation_key().unwrap().encapsulate().unwrap();
        let expanded = Array::try_from(key.key_bytes().unwrap().as_ref()).unwrap();
        let other = ml_kem_768::DecapsulationKey::from_expanded(&expanded).unwrap();
        let mut damaged = ciphertext.as_ref().to_vec();
        let at = random().random_range(0..damaged.len());
        damaged[at] ^= 1 << random().random_range(0..8);
        for (ciphertext, opens) in [(ciphertext.as_ref(), true), (&damaged, false)] {
            let one = key.decapsulate(ciphertext.into()).unwrap();
            let two = other.decapsulate(&ml_kem_768::Ciphertext::try_from(ciphertext).unwrap());
            assert_eq!(one.as_ref(), &two[..]);
            // Implicit rejection (FIPS 203, section 6.3): another secret, and no error.
            assert_eq!(one.as_ref() == sealed.as_ref(), opens);
        }
    }
}
