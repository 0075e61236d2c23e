#!/usr/bin/env python3
"""Check of the vectors of rsachat: everything is computed from docs/PROTOCOL.md and these files alone.

    pip install cryptography
    python3 check_vectors.py FOLDER                       for example tests/vectors

For each complete handshake it derives the X-Wing key from its seed, opens all four messages as both sides would, compares h, ck and k
after every step, and opens both RSA ciphertexts and both Confirms; then come re-keying, durable delivery, both kinds of letters and the damaged twins. The numbers in
brackets are sections of the specification.
"""

import base64
import hmac
import sys
from hashlib import sha3_256, sha256, shake_256
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import load_der_private_key

LABEL = b"rsachat/1 OAEP-KEM"
OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), LABEL)


class Vector:
    """Lines `name: words`, an empty line, lines `name: hexadecimal`."""

    def __init__(self, path):
        head, _, body = path.read_text(encoding="utf-8").partition("\n\n")
        pairs = [line.split(": ", 1) for line in head.splitlines()]
        self.words, self.name = dict(pairs), path.name
        self.values = {k: bytes.fromhex(v) for k, v in (line.split(": ") for line in body.splitlines())}

    def __getitem__(self, name):
        return self.values[name]

    def same(self, name, value):
        assert self[name] == value, "%s: %s is another" % (self.name, name)


def hkdf(ck, data, count=3):
    t, out = hmac.digest(ck, data, "sha256"), [b""]
    for i in range(1, count + 1):
        out.append(hmac.digest(t, out[-1] + bytes([i]), "sha256"))
    return out[1:]


def nonce(n):
    return bytes(4) + n.to_bytes(8, "big")


class Symmetric:
    """4.4; each step is compared with the value of its name in the vector."""

    def __init__(self, vector):
        self.vector, self.k, self.n = vector, None, 0
        self.h = self.ck = sha256(b"Noise_pqXX_XWing+RSAOAEP_AESGCM_SHA256").digest()
        self.mix_hash("start", vector["prologue"])
        self.check("start, ck", self.ck)

    def check(self, name, value):
        if "transcript" in self.vector.values:  # a damaged twin has only the messages
            self.vector.same(name, value)

    def mix_hash(self, part, data):
        self.h = sha256(self.h + data).digest()
        self.check(part + ", h", self.h)

    def mix_key(self, part, ss):
        self.ck, self.k, self.n = *hkdf(self.ck, ss, 2), 0
        self.check(part + ", ss", ss)
        self.check(part + ", ck", self.ck)
        self.check(part + ", k", self.k)

    def mix_key_and_hash(self, part, ss):
        self.ck, y, self.k = hkdf(self.ck, ss)
        self.n = 0
        self.check(part + ", ss", ss)
        self.check(part + ", ck", self.ck)
        self.check(part + ", k", self.k)
        self.mix_hash(part, y)

    def open(self, part, sealed):
        plain = AESGCM(self.k).decrypt(nonce(self.n), sealed, self.h)
        self.n += 1
        self.mix_hash(part, sealed)
        return plain


class XWing:
    """4.3, with both private halves from the draft's seed: SHAKE-256 gives d, z and x."""

    def __init__(self, seed):
        expanded = shake_256(seed).digest(96)
        self.m = MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
        self.x = X25519PrivateKey.from_private_bytes(expanded[64:])
        self.public = self.m.public_key().public_bytes_raw() + self.x.public_key().public_bytes_raw()

    def decapsulate(self, ct):
        ss_x = self.x.exchange(X25519PublicKey.from_public_bytes(ct[1088:]))
        return sha3_256(self.m.decapsulate(ct[:1088]) + ss_x + ct[1088:] + self.public[1184:] + b"\\.//^\\").digest()


def decapsulate(key, blob, ct):
    """Decapsulation of the OAEP KEM (4.3): `m`, and the secret."""
    m = key.decrypt(ct, OAEP)
    return m, sha256(LABEL + sha256(blob).digest() + len(ct).to_bytes(4, "big") + ct + m).digest()


def blob_of(key):
    numbers = key.public_key().public_numbers()
    mpint = numbers.n.to_bytes(numbers.n.bit_length() // 8 + 1, "big")
    return b"".join(len(part).to_bytes(4, "big") + part for part in (b"ssh-rsa", b"\1\0\1", mpint))


def handshake(vector, secrets):
    """All four messages, with the secrets of the complete vector. Returns the state after them."""
    key_i, key_r = (load_der_private_key(secrets["private key of the %s, PKCS#8" % who], None) for who in ("initiator", "responder"))
    blob_i, blob_r = blob_of(key_i), blob_of(key_r)
    secrets.same("blob of the initiator", blob_i)
    secrets.same("blob of the responder", blob_r)
    one, two, three, four = (vector["message %d" % n] for n in (1, 2, 3, 4))
    state, e = Symmetric(vector), XWing(secrets["e, seed of the draft"])
    assert one == e.public, "message 1 is not the key of its seed"
    state.mix_hash("1 e", one)
    state.mix_hash("1 payload", b"")
    state.mix_hash("2 ekem", two[:1120])
    state.mix_key("2 ekem", e.decapsulate(two[:1120]))
    assert state.open("2 s", two[1120:-16]) == blob_r
    assert state.open("2 payload", two[-16:]) == b""
    size = (key_r.key_size + 7) // 8 + 16
    m, ss = decapsulate(key_r, blob_r, state.open("3 skem, sealed", three[:size]))
    secrets.same("skem of message 3, m", m)
    state.mix_key_and_hash("3 skem", ss)
    assert state.open("3 s", three[size:-16]) == blob_i
    assert state.open("3 payload", three[-16:]) == b""
    size = (key_i.key_size + 7) // 8 + 16
    m, ss = decapsulate(key_i, blob_i, state.open("4 skem, sealed", four[:size]))
    secrets.same("skem of message 4, m", m)
    state.mix_key_and_hash("4 skem", ss)
    assert state.open("4 payload", four[size:]) == b""
    return state


def opened(key, n, frame):
    """One record (5.2): type and body."""
    plain = AESGCM(key).decrypt(nonce(n), frame[2:], frame[:2])
    assert len(frame) == 2 + int.from_bytes(frame[:2], "big")
    end = 3 + int.from_bytes(plain[1:3], "big")
    assert not plain[end:].strip(b"\0"), "padding is zero"
    return plain[0], plain[3:end], plain


def whole(vector):
    """A complete handshake and the Confirms after it. Returns the keys and the exporter secret."""
    state = handshake(vector, vector)
    vector.same("transcript", state.h)
    k1, k2 = hkdf(state.ck, b"", 2)
    x = hmac.digest(state.ck, b"rsachat/1 exporter" + state.h, "sha256")
    for name, value in (("split, k1", k1), ("split, k2", k2), ("split, x", x)):
        vector.same(name, value)
    for who, key, name in (("initiator", k1, b"alice"), ("responder", k2, b"bob")):
        kind, body, plain = opened(key, 0, vector["Confirm of the %s, frame" % who])
        vector.same("Confirm of the %s, plaintext" % who, plain)
        assert (kind, body) == (1, state.h + (16).to_bytes(4, "big") + name)
    return k1, k2, x, state.h


def rekeying(vector, k1, k2, x, h):
    """5.6, after the Confirms."""
    vector.same("transcript", h)
    vector.same("c", hmac.digest(x, b"rsachat/1 re-keying", "sha256"))
    e = XWing(vector["seed of the draft"])
    assert opened(k1, 1, vector["Rekey of the initiator, frame"])[:2] == (32, e.public)
    kind, ct, _ = opened(k2, 1, vector["Rekeyed of the responder, frame"])
    assert (kind, len(ct)) == (33, 1120)
    vector.same("ss", e.decapsulate(ct))
    c, next_k1, next_k2 = hkdf(vector["c"], vector["ss"] + h)
    for name, value in (("next c", c), ("next k1", next_k1), ("next k2", next_k2)):
        vector.same(name, value)
    assert opened(k1, 2, vector["Rekeyed of the initiator, frame"])[:2] == (33, b"")
    for key, who, text in ((next_k1, "initiator", b"after"), (next_k2, "responder", b"behind")):
        kind, body, _ = opened(key, 0, vector["Text of the %s, frame" % who])
        assert (kind, body) == (2, (1).to_bytes(8, "big") + bytes(8) + text)


def durable(vector, k1, k2):
    """5.7, after the Confirms: the records, the counters of both directions, and the chains."""
    chain, chains = bytes(16), []
    for seq, content in enumerate((sha256(b"one").digest(), bytes(32), sha256(b"three").digest()), 1):
        chain = sha256(chain + seq.to_bytes(8, "big") + content).digest()[:16]
        vector.same("chain behind %d" % seq, chain)
        chains.append(chain)
    a, b, eight = b"\xaa" * 16, b"\xbb" * 16, lambda *numbers: b"".join(n.to_bytes(8, "big") for n in numbers)
    typed, counters = 1_000_000_000_000, {"initiator": 1, "responder": 1}
    for at, who, name, kind, wanted in (
        (1, "initiator", "Resume", 4, a + eight(1, 4) + bytes(16) + eight(0) + bytes(16)),
        (2, "initiator", "Text", 2, eight(1, typed) + b"one"),
        (3, "responder", "Text", 2, eight(1, typed) + b"hi"),
        (4, "responder", "Receipt", 3, eight(1)),
        (5, "responder", "Resume", 4, b + eight(1, 1) + a + eight(1) + chains[0]),
        (6, "responder", "Kept", 11, eight(1)),
        (7, "initiator", "Skip", 12, eight(2)),
        (8, "initiator", "Text", 2, eight(3, typed) + b"three"),
        (9, "responder", "Kept", 11, eight(3)),
        (10, "responder", "Receipt", 3, eight(3)),
        (11, "initiator", "Receipt", 3, eight(1)),
        (12, "initiator", "Kept", 11, eight(0)),
    ):
        name = "%d %s of the %s" % (at, name, who)
        key, n = k1 if who == "initiator" else k2, counters[who]
        counters[who] += 1
        opened_kind, body, plain = opened(key, n, vector[name + ", frame"])
        vector.same(name + ", plaintext", plain)
        assert (opened_kind, body) == (kind, wanted), name


def hkdf_info(salt, data, info, length):
    """RFC 5869 for at most 32 bytes."""
    return hmac.digest(hmac.digest(salt or bytes(32), data, "sha256"), info + b"\1", "sha256")[:length]


def letter(vector):
    """12.2: the names of inboxes, the key of the letter, what it holds."""
    pair = vector["pair"]
    for who, d, number in (("initiator", 1, 0), ("initiator", 1, 1), ("responder", 2, 0)):
        name = hkdf_info(None, pair, b"rsachat/1 inbox" + bytes([d]) + number.to_bytes(4, "big"), 16)
        vector.same("inbox %d of the %s" % (number, who), base64.b32encode(name).decode().lower().rstrip("=").encode())
    own, sealed = XWing(vector["seed of the reader's key, of the draft"]), vector["letter"]
    vector.same("the reader's key", own.public)
    ct, head = sealed[17:1137], sealed[:1137]
    assert head[:17] == b"\1" + sha256(b"rsachat/1 letter key" + own.public).digest()[:16] and len(sealed) % 2048 == 0
    t = sha256(b"rsachat/1 letter\1" + own.public + ct).digest()
    k = hkdf_info(pair, own.decapsulate(ct) + t, b"rsachat/1 letter", 32)
    plain = AESGCM(k).decrypt(nonce(0), sealed[1137:], head)
    vector.same("plaintext", plain)
    vector.same("the writer's next key", plain[20:1236])
    numbers = [int.from_bytes(plain[a:b], "big") for a, b in ((0, 8), (8, 16), (16, 20), (1236, 1244))]
    assert numbers == [1_780_000_000_000, 1_779_999_999_999, 2, 1_780_691_200_000]
    chains, content = [bytes(16)], (sha256(b"one").digest(), bytes(32), sha256(b"three").digest())
    for seq, one in enumerate(content, 1):
        chains.append(sha256(chains[-1] + seq.to_bytes(8, "big") + one).digest()[:16])
    eight = lambda *numbers: b"".join(n.to_bytes(8, "big") for n in numbers)
    resume = b"\xaa" * 16 + eight(2, 4) + b"\xbb" * 16 + eight(3) + chains[3]
    wanted, rest = chains[1], plain[1244:]
    for kind, body in ((4, resume), (11, eight(3)), (3, eight(2)), (12, eight(2)), (2, eight(3, 10**12) + b"three")):
        wanted += bytes([kind]) + len(body).to_bytes(2, "big") + body
    assert rest == wanted + bytes(len(rest) - len(wanted))


def first_letter(vector):
    """12.3: the signature of the bundle, both encapsulations, the signature of the writer, and the secret of the pair."""
    pss, label = padding.PSS(padding.MGF1(hashes.SHA256()), 32), b"rsachat/1 letter OAEP-KEM"
    keys = {who: load_der_private_key(vector["private key of the %s, PKCS#8" % who], None) for who in ("writer", "reader")}
    size = (keys["reader"].key_size + 7) // 8
    bundle, sealed = vector["bundle"], vector["first letter"]
    own = XWing(vector["seed of the reader's key, of the draft"])
    length = int.from_bytes(bundle[1:3], "big")
    blob, text = bundle[3:3 + length], bundle[:-size]
    assert bundle[:1] == b"\3" and text[3 + length + 16:] == own.public
    keys["reader"].public_key().verify(bundle[-size:], b"rsachat/1 bundle\0" + text, pss, hashes.SHA256())
    name = base64.b32encode(sha256(b"rsachat/1 bundle" + sha256(blob).digest()).digest()[:16])
    vector.same("name of the bundle", name.decode().lower().rstrip("=").encode())
    head, ct1, ct2 = sealed[:1137 + size], sealed[17:1137], sealed[1137:1137 + size]
    assert head[:17] == b"\2" + sha256(b"rsachat/1 letter key" + own.public).digest()[:16] and len(sealed) % 2048 == 0
    m = keys["reader"].decrypt(ct2, padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), label))
    ss2 = sha256(label + sha256(blob).digest() + len(ct2).to_bytes(4, "big") + ct2 + m).digest()
    t = sha256(b"rsachat/1 first letter" + blob + own.public + ct1 + ct2).digest()
    prk = hmac.digest(t, own.decapsulate(ct1) + ss2, "sha256")
    k = hmac.digest(prk, b"rsachat/1 first letter\1", "sha256")
    vector.same("pair", hmac.digest(prk, k + b"rsachat/1 first letter\2", "sha256"))
    plain = AESGCM(k).decrypt(nonce(0), sealed[1137 + size:], head)
    at = 2 + int.from_bytes(plain[:2], "big")
    end = at + (keys["writer"].key_size + 7) // 8
    signed = b"rsachat/1 first letter\0" + t + sha256(plain[end:]).digest()
    keys["writer"].public_key().verify(plain[at:end], signed, pss, hashes.SHA256())
    vector.same("content", plain[end:])
    assert plain[end:end + 16] == bytes(range(16)) and plain[end + 16:end + 22] == b"\5alice"


def damaged(vector, secrets):
    """The receiver of the damaged message fails there: a tag does not verify, or OAEP does not open."""
    try:
        handshake(vector, secrets)
    except (InvalidTag, ValueError):
        return
    raise AssertionError("%s: the damage shows nowhere" % vector.name)


def main():
    folder = Path(sys.argv[1])
    for bits in ("2048", "3072"):
        vector = Vector(folder / ("handshake-%s.txt" % bits))
        keys = whole(vector)
        if bits == "2048":
            rekeying(Vector(folder / "rekeying.txt"), *keys)
            durable(Vector(folder / "durable.txt"), *keys[:2])
        for which in (2, 3, 4):
            damaged(Vector(folder / ("handshake-%s-damaged-%d.txt" % (bits, which))), vector)
        print("handshake-%s holds" % bits, flush=True)
    letter(Vector(folder / "letter.txt"))
    print("letter holds", flush=True)
    first_letter(Vector(folder / "first-letter.txt"))
    print("first letter holds", flush=True)


if __name__ == "__main__":
    main()
