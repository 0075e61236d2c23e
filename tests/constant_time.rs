//! Constant time as a count: a private operation on bytes from a network takes the same number of
//! instructions, whatever they decrypt to. Instructions under valgrind's callgrind are counted, since
//! that is the same on every run, unlike time (RUSTSEC-2023-0071 is what such a difference costs).

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails there")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is the runner of its tests")]

#[path = "support/callgrind.rs"]
#[allow(unreachable_pub, missing_docs, reason = "nobody outside reads this")]
mod callgrind;

use std::hint::black_box;
use std::process::ExitCode;

use callgrind::counted_operation;
use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, Odd};
use libtest_mimic::{Arguments, Failed, Trial};
use rand::{Rng as _, SeedableRng as _, rngs::ChaCha20Rng};
use rsa::pkcs8::DecodePublicKey as _;
use rsa::traits::PublicKeyParts as _;
use rsachat::crypto::{Identity, OaepKeyPair};
use x_wing::{Decapsulate as _, DecapsulationKey, Decapsulator as _, Encapsulate as _};

/// Operations that are counted, by name, and by how many instructions the medians of two classes may
/// differ: with RSA the queue of errors of AWS-LC, and the allocator, make some tens.
const OPERATIONS: [(&str, u64); 3] =
    [("rsa_oaep_kem", 128), ("rsa_oaep_of_the_raw_wire", 128), ("x_wing", 0)];
/// Operation that is not constant: it ends at the first byte of the ciphertext's number that is not zero.
const LEAK: &str = "leak";
/// Ciphertexts of each class.
const CIPHERTEXTS: usize = 20;
/// Leading zero bytes of what an RSA ciphertext decrypts to, a class each. None of them is OAEP.
const LEADING_ZEROS: [usize; 5] = [0, 1, 8, 64, 200];
/// Operations before the first that is compared: what is set up once is behind them.
const WARM_UP: usize = 4;

const KEY: &str = include_str!("keys/test-1.pem");

fn main() -> ExitCode {
    if let Some(operation) = callgrind::watched() {
        perform(&operation);
        return ExitCode::SUCCESS;
    }
    let arguments = Arguments::from_args();
    let has_callgrind = callgrind::is_there();
    if !has_callgrind {
        eprintln!("instructions of private operations were not counted: valgrind is not installed");
    }
    let mut trials: Vec<_> = OPERATIONS
        .into_iter()
        .map(|(operation, noise)| {
            let name = format!("{operation}_takes_as_many_instructions_for_every_class_of_ciphertexts");
            Trial::test(name, move || compare(operation, noise)).with_ignored_flag(!has_callgrind)
        })
        .collect();
    let is_found = || compare(LEAK, 128).err().map(drop).ok_or_else(|| Failed::from("it was not found"));
    trials.push(Trial::test("a_loop_that_ends_early_is_found", is_found).with_ignored_flag(!has_callgrind));
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Counts the instructions of each call, and compares those of the classes.
fn compare(operation: &str, noise: u64) -> Result<(), Failed> {
    let counts = callgrind::instructions(operation)?;
    let classes = ciphertexts(operation).classes;
    let wanted = WARM_UP + classes * CIPHERTEXTS;
    if counts.len() < wanted {
        return Err(format!("{} of {wanted} calls were counted", counts.len()).into());
    }
    let mut by_class = vec![Vec::new(); classes];
    for (call, count) in counts[WARM_UP..wanted].iter().enumerate() {
        by_class[call % classes].push(*count);
    }
    let middle = median(&mut counts[WARM_UP..wanted].to_vec());
    for (class, counts) in by_class.iter_mut().enumerate() {
        // One in 32 operations draws new blinding factors, whatever it is given.
        counts.retain(|count| *count < middle + middle / 2);
        let of_class = median(counts);
        let farthest = counts.iter().map(|count| count.abs_diff(middle)).max().unwrap_or(u64::MAX);
        if counts.len() + 2 < CIPHERTEXTS || of_class.abs_diff(middle) > noise || farthest > 8 * noise {
            return Err(format!(
                "class {class}: a median of {of_class} instructions, of all classes {middle}; {counts:?}"
            )
            .into());
        }
    }
    Ok(())
}

fn median(counts: &mut [u64]) -> u64 {
    counts.sort_unstable();
    counts[counts.len() / 2]
}

/// Calls the operation with a ciphertext of each class in turn.
fn perform(operation: &str) {
    let identity = Identity::from_pem(KEY, None).unwrap();
    let raw = OaepKeyPair::from_pem(KEY, None).unwrap();
    let x_wing = x_wing_key();
    for ciphertext in ciphertexts(operation).all {
        match operation {
            "rsa_oaep_kem" => counted_operation(|| drop(identity.decapsulate(black_box(&ciphertext)))),
            LEAK => counted_operation(|| _ = black_box(ciphertext.iter().position(|byte| *byte != 0))),
            "rsa_oaep_of_the_raw_wire" => counted_operation(|| drop(raw.open(black_box(&ciphertext)))),
            _ => {
                let ciphertext = ciphertext.as_slice().try_into().unwrap();
                counted_operation(|| _ = black_box(x_wing.decapsulate(black_box(&ciphertext))));
            }
        }
    }
}

struct Ciphertexts {
    classes: usize,
    /// Those of the warm-up, then one of each class in turn.
    all: Vec<Vec<u8>>,
}

fn ciphertexts(operation: &str) -> Ciphertexts {
    let rng = &mut ChaCha20Rng::seed_from_u64(7);
    if operation == "x_wing" {
        let classes: [fn(&mut Vec<u8>, &mut ChaCha20Rng); 5] = [
            |_, _| {},
            |one, rng| one[rng.next_u32() as usize % 960] ^= 1,
            |one, rng| one[960 + rng.next_u32() as usize % 128] ^= 1,
            |one, _| one[..1088].fill(0),
            |one, _| one[..1088].fill(0xff),
        ];
        let key = x_wing_key();
        let all = (0..WARM_UP + classes.len() * CIPHERTEXTS).map(|call| {
            let mut one = key.encapsulation_key().encapsulate_with_rng(rng).0.to_vec();
            if let Some(call) = call.checked_sub(WARM_UP) {
                classes[call % classes.len()](&mut one, rng);
            }
            one
        });
        return Ciphertexts { classes: classes.len(), all: all.collect() };
    }
    let spki = Identity::from_pem(KEY, None).unwrap().public().to_spki_pem();
    let public = rsa::PublicKey::from_public_key_pem(&spki).unwrap();
    let bytes = public.size();
    let classes = LEADING_ZEROS.len();
    let all = (0..WARM_UP + classes * CIPHERTEXTS).map(|call| {
        let zeros = LEADING_ZEROS[(call + (classes - 1) * WARM_UP) % classes];
        let mut message = vec![0; bytes];
        rng.fill_bytes(&mut message[zeros..]);
        // Below the modulus, whose first byte is larger, and no shorter than the class says.
        message[zeros] = 1 + message[zeros] % 0x7f;
        if operation == LEAK { message } else { encrypt(&public, &message) }
    });
    Ciphertexts { classes, all: all.collect() }
}

/// The ciphertext of a number, without padding.
fn encrypt(public: &rsa::PublicKey, message: &[u8]) -> Vec<u8> {
    let bits = u32::try_from(8 * message.len()).unwrap();
    let modulus = Odd::new(BoxedUint::from_be_slice(&public.n().to_be_bytes(), bits).unwrap()).unwrap();
    let parameters = BoxedMontyParams::new(modulus);
    let message = BoxedUint::from_be_slice(message, bits).unwrap();
    let exponent = public.e().clone();
    let sealed = BoxedMontyForm::new(message, &parameters).pow(&exponent).retrieve();
    sealed.to_be_bytes().to_vec()
}

fn x_wing_key() -> DecapsulationKey {
    DecapsulationKey::from([7; 32])
}
