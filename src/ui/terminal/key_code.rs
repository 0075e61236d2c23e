//! Sequences of keys: those that rustyline reads to their end, and those of newer protocols
//! (xterm's modifyOtherKeys, CSI u), which are translated for it.

const SHIFT: u32 = 1;
const ALT: u32 = 2;
const CONTROL: u32 = 4;
/// Caps Lock and Num Lock.
const LOCKS: u32 = 64 | 128;
/// Event of CSI u that is no key pressed.
const RELEASED: u32 = 3;
/// What [`super::helper`] binds to a newline: Alt and Enter.
const NEWLINE: &[u8] = b"\x1b\r";

/// Whether rustyline reads all of a sequence, given without its ESC.
pub(super) fn is_known(sequence: &[u8]) -> bool {
    match sequence {
        [b'O', last] => last.is_ascii_alphabetic(),
        [b'[', rest @ ..] => matches!(
            rest,
            [b'A'..=b'D' | b'F' | b'H' | b'Z' | b'a'..=b'd']
                | [b'[', b'A'..=b'E']
                | [b'5', b'A'..=b'D']
                | [b'1'..=b'8', b'~' | b'$' | b'^' | b'@']
                | [b'1' | b'2', b'0'..=b'9', b'~']
                | [b'1', b';', b'2'..=b'9', b'A'..=b'D' | b'F' | b'H' | b'P' | b'Q' | b'S' | b'p'..=b'y']
                | [b'2'..=b'6', b';', b'2'..=b'8', b'~']
                | [b'1' | b'2', b'0'..=b'9', b';', b'2'..=b'8', b'~']
        ),
        _ => false,
    }
}

/// The keys that a sequence stands for, as a terminal without these protocols sends them.
pub(super) fn decoded(sequence: &[u8]) -> Option<Vec<u8>> {
    let sequence = std::str::from_utf8(sequence).ok()?.strip_prefix('[')?;
    let (code, modifiers) = if let Some(fields) = sequence.strip_suffix('u') {
        let mut fields = fields.split(';');
        let code = fields.next()?.split(':').next()?;
        let mut modifiers = fields.next().unwrap_or("1").split(':');
        let modifier = modifiers.next()?;
        if modifiers.next().is_some_and(|event| event.parse() == Ok(RELEASED)) {
            return None;
        }
        (code, modifier)
    } else {
        let fields = sequence.strip_suffix('~')?.strip_prefix("27;")?;
        let (modifier, code) = fields.split_once(';')?;
        (code, modifier)
    };
    key(code.parse().ok()?, modifiers.parse::<u32>().ok()?.checked_sub(1)? & !LOCKS)
}

/// The bytes of a key with its modifiers.
fn key(code: u32, modifiers: u32) -> Option<Vec<u8>> {
    if modifiers > SHIFT | ALT | CONTROL {
        return None;
    }
    let (is_alone, is_control) = (modifiers == 0, modifiers & CONTROL != 0);
    let character = char::from_u32(code)?;
    let plain = match character {
        '\r' if is_alone => vec![b'\r'],
        '\r' => return Some(NEWLINE.to_vec()),
        '\t' if is_alone => vec![b'\t'],
        '\t' if modifiers == SHIFT => return Some(b"\x1b[Z".to_vec()),
        '\x08' | '\x7f' => vec![0x7f],
        '@'..='_' | 'a'..='z' if is_control => vec![character.to_ascii_uppercase() as u8 & 0x1f],
        // Keys without a character of their own have one for private use.
        '\u{e000}'..='\u{f8ff}' => return None,
        _ if is_control || character.is_control() => return None,
        _ if modifiers & SHIFT != 0 => character.to_ascii_uppercase().to_string().into_bytes(),
        _ => character.to_string().into_bytes(),
    };
    let alt: &[u8] = if modifiers & ALT != 0 { b"\x1b" } else { b"" };
    Some([alt, &plain].concat())
}
