#!/usr/bin/env python3
"""A second implementation of the rsachat protocol, written from docs/PROTOCOL.md alone.

    pip install cryptography
    python3 native_peer.py listen [HOST:]PORT [NAME]      wait for one caller (port 0: any free one)
    python3 native_peer.py connect HOST:PORT [NAME]       call
    python3 native_peer.py patient HOST:PORT [NAME]       call, and wait for the preface before message 1
    python3 native_peer.py connect INVITATION [NAME]      call whoever made it, and nobody else (5.9, 11)
    python3 native_peer.py letter open PAIR WRITER KEY    open the letter on standard input (12.2)
    python3 native_peer.py letter seal PAIR WRITER KEY    seal the plaintext on standard input, to a public key
    python3 native_peer.py first bundle PEM NUMBER EXPIRES      sign a bundle of the public key on standard input (12.3)
    python3 native_peer.py first open PEM SEED                  open the first letter on standard input
    python3 native_peer.py first seal PEM FINGERPRINT NOW       seal to a bundle: that and the content, a line each

With `--keep FILE` first, its key and undelivered messages are kept in that file, and it resumes with every peer (5.7); with
`--keep-when-told FILE` only once it reads the line `:resume`. With `--files DIR` it takes every file that is offered into that folder, and
goes on with what a cut has left there (5.8). With `--knock TEXT` it presents that line to a listener that does not know its key (5.9).

It sends the lines of standard input (`:rekey` begins a re-keying instead) and prints what it receives; at the end of the input it waits until everything is
acknowledged, and says goodbye. The numbers in brackets are sections of the specification. It shows that the specification suffices and
how little code it takes. Do not trust it with secrets: without a FILE it generates a new key each time, and it accepts every peer.
"""

import base64
import hmac
import json
import math
import os
import re
import socket
import sys
import threading
import time
import unicodedata
from hashlib import sha3_256, sha256, shake_256

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

PREFACE = b"rsachat\n" + bytes([1, 1, 1]) + bytes(5)  # version 1, suite 1, chat (2)
NAME = b"Noise_pqXX_XWing+RSAOAEP_AESGCM_SHA256"
LABEL = b"rsachat/1 OAEP-KEM"
CONFIRM, TEXT, RECEIPT, RESUME, PING, PONG, BYE, KEPT, SKIP, REKEY, REKEYED = 1, 2, 3, 4, 8, 9, 10, 11, 12, 32, 33
INVITE, KNOCK, ADMITTED = 13, 14, 15
OFFER, ACCEPT, DECLINE, CHUNK, HOLE, HAVE, END_OF_FILE, FILED, CANCEL = 16, 19, 20, 21, 22, 23, 24, 25, 26
DURABLE, FILES, SHORT, REKEYING, LOBBY = 1, 2, 8, 16, 32  # bits 0, 1, 3, 4 and 5 of Confirm (5.7, 5.8, 5.3, 5.6, 5.9)
SMALL_PRIMES = [p for p in range(3, 1 << 16, 2) if all(p % d for d in range(3, math.isqrt(p) + 1, 2))]


class Failed(Exception):
    """The connection has ended, for this reason."""


# Keys (4.1, 4.2, 7)

def string(data):
    return len(data).to_bytes(4, "big") + data


def to_blob(numbers):
    size = (numbers.n.bit_length() + 7) // 8
    sign = b"\0" if numbers.n.bit_length() % 8 == 0 else b""
    return string(b"ssh-rsa") + string(b"\1\0\1") + string(sign + numbers.n.to_bytes(size, "big"))


def from_blob(blob):
    """A public key that passed every check of 4.2."""
    at = 4 + 7 + 4 + 3 + 4
    numbers = rsa.RSAPublicNumbers(65537, int.from_bytes(blob[at:], "big"))
    n = numbers.n
    if to_blob(numbers) != blob or not 2048 <= n.bit_length() <= 8192:
        raise Failed("the key is not in its one right form")
    if n % 2 == 0 or any(n % p == 0 for p in SMALL_PRIMES):
        raise Failed("the key has a small factor")
    root = math.isqrt(n)
    for a in range(root if root * root == n else root + 1, root + 300):
        if math.isqrt(a * a - n) ** 2 == a * a - n:
            raise Failed("the primes of the key are too close")
    if all(n % p in {pow(65537, i, p) for i in range(p)} for p in SMALL_PRIMES if p <= 167):
        raise Failed("a ROCA key")
    return numbers.public_key()


def fingerprint(blob):
    return "SHA256:" + base64.b64encode(sha256(blob).digest()).decode().rstrip("=")


# The two key encapsulations (4.3)

def x_wing_secret(ss_m, ss_x, ct_x, pk_x):
    return sha3_256(ss_m + ss_x + ct_x + pk_x + b"\\.//^\\").digest()


class XWing:
    """The library refuses the all-zero secret of a point of small order with a ValueError."""

    def __init__(self, seed=None):
        """Without the seed of the draft, of two keys of their own."""
        self.m, self.x = MLKEM768PrivateKey.generate(), X25519PrivateKey.generate()
        if seed is not None:
            both = shake_256(seed).digest(96)
            self.m, self.x = MLKEM768PrivateKey.from_seed_bytes(both[:64]), X25519PrivateKey.from_private_bytes(both[64:])
        self.public = self.m.public_key().public_bytes_raw() + self.x.public_key().public_bytes_raw()

    def decapsulate(self, ct):
        ss_x = self.x.exchange(X25519PublicKey.from_public_bytes(ct[1088:]))
        return x_wing_secret(self.m.decapsulate(ct[:1088]), ss_x, ct[1088:], self.public[1184:])


def x_wing_encapsulate(public):
    ss_m, ct_m = MLKEM768PublicKey.from_public_bytes(public[:1184]).encapsulate()
    ephemeral = X25519PrivateKey.generate()
    ct_x = ephemeral.public_key().public_bytes_raw()
    ss_x = ephemeral.exchange(X25519PublicKey.from_public_bytes(public[1184:]))
    return ct_m + ct_x, x_wing_secret(ss_m, ss_x, ct_x, public[1184:])


def oaep(label):
    return padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), label)


def bind(blob, ct, m, label=LABEL):
    return sha256(label + sha256(blob).digest() + len(ct).to_bytes(4, "big") + ct + m).digest()


class Identity:
    def __init__(self, key=None):
        self.key = key or rsa.generate_private_key(65537, 3072)
        self.blob = to_blob(self.key.public_key().public_numbers())
        self.z = os.urandom(32)

    def decapsulate(self, ct, label=LABEL):
        m = hmac.digest(self.z, ct, "sha256")
        try:
            opened = self.key.decrypt(ct, oaep(label))
            m = opened if len(opened) == 32 else m
        except ValueError:
            pass
        return bind(self.blob, ct, m, label)


def encapsulate(blob, key, label=LABEL):
    m = os.urandom(32)
    ct = key.encrypt(m, oaep(label))
    return ct, bind(blob, ct, m, label)


# Symmetric state (4.4)

def hkdf(ck, data, count):
    t, out = hmac.digest(ck, data, "sha256"), [b""]
    for i in range(1, count + 1):
        out.append(hmac.digest(t, out[-1] + bytes([i]), "sha256"))
    return out[1:]


def nonce(n):
    return bytes(4) + n.to_bytes(8, "big")


class Symmetric:
    def __init__(self, prologue):
        self.h = self.ck = sha256(NAME).digest()
        self.k, self.n = None, 0
        self.mix_hash(prologue)

    def mix_hash(self, data):
        self.h = sha256(self.h + data).digest()

    def mix_key(self, data):
        self.ck, self.k = hkdf(self.ck, data, 2)
        self.n = 0

    def mix_key_and_hash(self, data):
        self.ck, y, self.k = hkdf(self.ck, data, 3)
        self.mix_hash(y)
        self.n = 0

    def seal(self, plain):
        sealed = plain
        if self.k:
            sealed = AESGCM(self.k).encrypt(nonce(self.n), plain, self.h)
            self.n += 1
        self.mix_hash(sealed)
        return sealed

    def open(self, sealed):
        plain = sealed
        if self.k:
            plain = AESGCM(self.k).decrypt(nonce(self.n), sealed, self.h)
            self.n += 1
        self.mix_hash(sealed)
        return plain

    def split(self):
        """The keys of both directions, and the exporter secret."""
        return hkdf(self.ck, b"", 2) + [hmac.digest(self.ck, b"rsachat/1 exporter" + self.h, "sha256")]


# Preface, frames and messages (2, 3, 4.5)

class Invitation:
    """An invitation (11): where its maker is called, by which key, and the token."""

    def __init__(self, text):
        host = r"[A-Za-z0-9._][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\]"
        address = rf"(?:{host})(?::[0-9]{{1,5}})?"
        parameter = "[a-z]+=[A-Za-z0-9._~:-]+"
        grammar = (
            rf"(?i:rsachat)://(?:[^@/#]*@)?({address}(?:,{address}){{0,7}})/\?({parameter}(?:&{parameter})*)"
            r"#(SHA256:[A-Za-z0-9+/]{43})"
        )
        parts = len(text.encode()) <= 1024 and re.fullmatch(grammar, text)
        names = [one.partition("=")[::2] for one in parts[2].split("&")] if parts else []
        given = dict(names)
        if len(given) != len(names) or len(given.get("i", "")) != 22:
            raise Failed("this is no invitation")
        self.token, self.key = base64.urlsafe_b64decode(given["i"] + "=="), parts[3]
        pairs = [re.fullmatch(rf"({host})(?::([0-9]+))?", one) for one in parts[1].split(",")]
        self.addresses = [(pair[1].strip("[]"), int(pair[2] or 8000)) for pair in pairs]

    def call(self):
        """A connection to the first address that answers."""
        for at in self.addresses:
            try:
                return socket.create_connection(at, timeout=10)
            except OSError as error:
                last = error
        raise last


# Letters (12.2)

class Letters:
    """`pair`, and the direction of who writes: 1 the initiator of the session from which it came, 2 the responder."""

    def __init__(self, pair, writer):
        self.pair, self.writer = pair, bytes([writer])

    def inbox(self, number):
        info = b"rsachat/1 inbox" + self.writer + number.to_bytes(4, "big")
        return base64.b32encode(hkdf_info(None, self.pair, info, 16)).decode().lower().rstrip("=")

    def key(self, public, ct, ss):
        t = sha256(b"rsachat/1 letter" + self.writer + public + ct).digest()
        return hkdf_info(self.pair, ss + t, b"rsachat/1 letter", 32)

    def seal(self, public, plain):
        ct, ss = x_wing_encapsulate(public)
        head = b"\1" + letter_key_id(public) + ct
        plain += bytes(-(len(head) + len(plain) + 16) % 2048)
        return head + AESGCM(self.key(public, ct, ss)).encrypt(nonce(0), plain, head)

    def open(self, own, letter):
        head, sealed = letter[:1137], letter[1137:]
        if len(letter) % 2048 or len(letter) > 63488 or head[:17] != b"\1" + letter_key_id(own.public):
            raise Failed("not a letter to this key")
        k = self.key(own.public, head[17:], own.decapsulate(head[17:]))
        return AESGCM(k).decrypt(nonce(0), sealed, head)


def letter_key_id(public):
    return sha256(b"rsachat/1 letter key" + public).digest()[:16]


def hkdf_info(salt, data, info, length):
    return HKDF(hashes.SHA256(), length, salt, info).derive(data)


def read_letter(plain):
    """The fields of a plaintext, and its records: pairs of type and body."""
    number, opened, reads = (int.from_bytes(plain[a:b], "big") for a, b in ((0, 8), (8, 16), (16, 20)))
    rest, records = plain[1260:], []
    while any(rest):
        end = 3 + int.from_bytes(rest[1:3], "big")
        records.append((rest[0], rest[3:end]))
        rest = rest[end:]
    if not records or records[0][0] != RESUME or any(kind not in (TEXT, RECEIPT, KEPT, SKIP) for kind, _ in records[1:]):
        raise Failed("not the plaintext of a letter")
    expires, chain = int.from_bytes(plain[1236:1244], "big"), plain[1244:1260]
    return {"number": number, "opened": opened, "reads": reads, "key": plain[20:1236], "expires": expires, "chain": chain,
            "records": records}


# Bundles and first letters (12.3)

PSS = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
BUNDLE, FIRST, FIRST_OAEP = b"rsachat/1 bundle", b"rsachat/1 first letter", b"rsachat/1 letter OAEP-KEM"


def sign(own, label, text):
    return own.key.sign(label + b"\0" + text, PSS, hashes.SHA256())


def check_signature(key, label, text, signature):
    try:
        key.verify(signature, label + b"\0" + text, PSS, hashes.SHA256())
    except InvalidSignature:
        raise Failed("the signature is wrong") from None


def counted(data, at):
    """What a length of two bytes is followed by, and where that ends."""
    end = at + 2 + int.from_bytes(data[at:at + 2], "big")
    return data[at + 2:end], end


def make_bundle(own, number, expires, public):
    text = b"\3" + len(own.blob).to_bytes(2, "big") + own.blob + eight(number) + eight(expires) + public
    return text + sign(own, BUNDLE, text)


def read_bundle(data, of, now):
    """Blob, number and X-Wing key of a bundle that may be used."""
    blob, at = counted(data, 1)
    number, expires = (int.from_bytes(data[a:a + 8], "big") for a in (at, at + 8))
    public, end = data[at + 16:at + 1232], at + 1232
    if data[:1] != b"\3" or fingerprint(blob) != of:
        raise Failed("not a bundle of this key")
    check_signature(from_blob(blob), BUNDLE, data[:end], data[end:])
    if not now < expires <= now + 8 * 86_400_000:
        raise Failed("not a bundle of now")
    return blob, number, public


def first_secrets(blob, public, ct1, ct2, ss1, ss2):
    """`t`, `k` and `pair`."""
    t = sha256(FIRST + blob + public + ct1 + ct2).digest()
    both = hkdf_info(t, ss1 + ss2, FIRST, 64)
    return t, both[:32], both[32:]


def seal_first(own, blob, public, content):
    (ct1, ss1), (ct2, ss2) = x_wing_encapsulate(public), encapsulate(blob, from_blob(blob), FIRST_OAEP)
    t, k, pair = first_secrets(blob, public, ct1, ct2, ss1, ss2)
    head = b"\2" + letter_key_id(public) + ct1 + ct2
    start = len(own.blob).to_bytes(2, "big") + own.blob
    size = (own.key.key_size + 7) // 8
    content += bytes(-(len(head) + len(start) + size + len(content) + 16) % 2048)
    plain = start + sign(own, FIRST, t + sha256(content).digest()) + content
    return head + AESGCM(k).encrypt(nonce(0), plain, head), pair


def open_first(own, wing, letter):
    """Blob of the writer, content and `pair`."""
    size = (own.key.key_size + 7) // 8
    head, sealed = letter[:1137 + size], letter[1137 + size:]
    if len(letter) % 2048 or len(letter) > 63488 or head[:17] != b"\2" + letter_key_id(wing.public):
        raise Failed("not a first letter to this key")
    ct1, ct2 = head[17:1137], head[1137:]
    t, k, pair = first_secrets(own.blob, wing.public, ct1, ct2, wing.decapsulate(ct1), own.decapsulate(ct2, FIRST_OAEP))
    plain = AESGCM(k).decrypt(nonce(0), sealed, head)
    blob, at = counted(plain, 0)
    key = from_blob(blob)
    end = at + (key.key_size + 7) // 8
    check_signature(key, FIRST, t + sha256(plain[end:]).digest(), plain[at:end])
    return blob, plain[end:], pair


def first(what, pem, *rest):
    """All take and give hexadecimal; PEM is the file of our own key."""
    with open(pem, "rb") as file:
        own = Identity(serialization.load_pem_private_key(file.read(), None))
    given = [bytes.fromhex(line) for line in sys.stdin.read().split()]
    if what == "bundle":
        print("bundle", make_bundle(own, int(rest[0]), int(rest[1]), given[0]).hex())
    elif what == "seal":
        blob, number, public = read_bundle(given[0], rest[0], int(rest[1]))
        sealed, pair = seal_first(own, blob, public, given[1])
        print("number", number)
        print("letter", sealed.hex())
        print("pair", pair.hex())
    else:
        blob, content, pair = open_first(own, XWing(bytes.fromhex(rest[0])), given[0])
        end = 17 + content[16]
        fields = read_letter(content[end:])
        print("writer", fingerprint(blob))
        print("token", content[:16].hex())
        print("name", content[17:end].decode())
        print("pair", pair.hex())
        for kind, body in fields["records"]:
            print("record", kind, body.hex())


def letter(what, pair, writer, key):
    """Both take and give hexadecimal; of an opened letter, first the fields."""
    letters, given = Letters(bytes.fromhex(pair), int(writer)), bytes.fromhex(sys.stdin.read().strip())
    print("inbox", letters.inbox(0))
    if what == "seal":
        print("letter", letters.seal(bytes.fromhex(key), given).hex())
        return
    plain = letters.open(XWing(bytes.fromhex(key)), given)
    for name, value in read_letter(plain).items():
        if name == "records":
            for kind, body in value:
                print("record", kind, body.hex())
        else:
            print(name, value.hex() if isinstance(value, bytes) else value)
    print("plaintext", plain.hex())


class Wire:
    def __init__(self, sock):
        self.sock, self.waiting, self.greeted = sock, b"", False
        self.until = time.monotonic() + 10  # to message 2 (6)

    def judged(self):
        """From here on, somebody on either side may be comparing fingerprints (4.6)."""
        self.until = time.monotonic() + 60

    def need(self, count):
        """Waits until that many bytes have arrived, without taking them: a timeout in the middle of a frame loses nothing."""
        while len(self.waiting) < count:
            left = self.until - time.monotonic()
            if left <= 0:
                raise socket.timeout("nothing came in time")
            self.sock.settimeout(left)
            data = self.sock.recv(65536)
            if not data:
                raise Failed("the connection was cut")
            self.waiting += data

    def take(self, count):
        self.need(count)
        taken, self.waiting = self.waiting[:count], self.waiting[count:]
        return taken

    def preface(self, role):
        for i in range(8):
            self.need(i + 1)
            if role == "connect" and self.waiting[:2] == bytes(2):
                raise Failed("the other side does not go on")  # the alert of an earlier listener
            if role == "connect" and self.waiting == bytes(1):
                continue
            if self.waiting[i] != PREFACE[i]:
                raise Failed("the other side does not speak this protocol")
        theirs = self.take(16)
        if theirs != PREFACE:
            if role == "listen" and (theirs[8:10] != PREFACE[8:10] or theirs[10] in (1, 2)):
                self.sock.sendall(PREFACE)
            raise Failed("version, suite or purpose differ")
        self.greeted = True

    def send(self, body):
        self.sock.sendall(len(body).to_bytes(2, "big") + body)

    def frame(self, limit):
        self.need(2)
        length = int.from_bytes(self.waiting[:2], "big")
        if length > limit:
            raise Failed("a frame is too long")
        return self.take(2 + length)[2:]

    def message(self, size=None, busy=False):
        body = self.frame(4096)
        if not body:
            raise Failed("the other side does not go on")
        if busy and body == b"\1":
            raise Failed("the other side is busy; call again later")
        if size and len(body) != size:
            raise Failed("a message has the wrong size")
        return body


def initiate(wire, own, patient, expected=None):
    wire.sock.sendall(PREFACE)
    if patient:
        wire.preface("connect")
    state, e = Symmetric(PREFACE * 2), XWing()
    state.mix_hash(e.public)
    wire.send(e.public + state.seal(b""))  # 1
    if not patient:
        wire.preface("connect")
    body = wire.message(busy=True)  # 2
    wire.judged()
    state.mix_hash(body[:1120])
    state.mix_key(e.decapsulate(body[:1120]))
    blob = state.open(body[1120:-16])
    state.open(body[-16:])
    key = from_blob(blob)
    if expected and fingerprint(blob) != expected:
        raise Failed("the other side has another key than that of the invitation")
    ct, ss = encapsulate(blob, key)  # 3
    head = state.seal(ct)
    state.mix_key_and_hash(ss)
    wire.send(head + state.seal(own.blob) + state.seal(b""))
    size = (own.key.key_size + 7) // 8 + 16
    body = wire.message(size + 16, busy=True)  # 4
    ct = state.open(body[:size])
    state.mix_key_and_hash(own.decapsulate(ct))
    state.open(body[size:])
    return state, blob


def respond(wire, own):
    wire.preface("listen")
    wire.sock.sendall(PREFACE)
    state, e = Symmetric(PREFACE * 2), wire.message(1216)  # 1
    state.mix_hash(e)
    state.open(b"")
    ct, ss = x_wing_encapsulate(e)  # 2
    state.mix_hash(ct)
    state.mix_key(ss)
    wire.send(ct + state.seal(own.blob) + state.seal(b""))
    wire.judged()
    body, size = wire.message(), (own.key.key_size + 7) // 8 + 16  # 3
    ct = state.open(body[:size])
    state.mix_key_and_hash(own.decapsulate(ct))
    blob = state.open(body[size:-16])
    state.open(body[-16:])
    key = from_blob(blob)  # who holds it matters only once record 5 has proved it
    ct, ss = encapsulate(blob, key)  # 4
    head = state.seal(ct)
    state.mix_key_and_hash(ss)
    wire.send(head + state.seal(b""))
    return state, blob


# What is stored about the peers (5.7)

NO_EPOCH, START, UNKNOWN = bytes(16), bytes(16), b"\xff" * 16


def eight(number):
    return number.to_bytes(8, "big")


def next_chain(chain, seq, text):
    """The chain after one more message; a text of None was taken back."""
    content = bytes(32) if text is None else sha256(text).digest()
    return UNKNOWN if chain == UNKNOWN else sha256(chain + eight(seq) + content).digest()[:16]


class Kept:
    """The file: our key, and for each peer the messages that it has not acknowledged and those not shown yet. It is replaced atomically."""

    def __init__(self, path):
        self.path, self.rows = path, {"pairs": {}}
        if os.path.exists(path):
            with open(path, encoding="ascii") as file:
                self.rows = json.load(file)
            self.key = serialization.load_pem_private_key(self.rows["key"].encode(), None)
        else:
            self.key = Identity().key
            form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            self.rows["key"] = self.key.private_bytes(*form).decode()
            self.commit()

    def commit(self):
        with open(os.open(self.path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
            json.dump(self.rows, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(self.path + ".new", self.path)
        folder = os.open(os.path.dirname(os.path.abspath(self.path)), os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)

    def pair(self, peer):
        fresh = {"epoch": os.urandom(16).hex(), "next": 1, "sent": 0, "received": 0, "chain": START.hex(), "outbox": [],
                 "their_epoch": NO_EPOCH.hex(), "last": 0, "their_chain": START.hex(), "shown": 0, "inbox": []}
        return self.rows["pairs"].setdefault(peer, fresh)


class Durable:
    """Both directions of one pair: what is stored, and the progress of this connection. The owner holds a lock around every call."""

    def __init__(self, kept, peer):
        self.kept, self.pair = kept, kept.pair(peer)
        self.own, self.theirs = None, None  # the last Resume of each side: epoch, next, your_epoch
        self.agreed, self.epochs, self.their_epochs, self.named = False, 0, 0, 0
        self.sent, self.kept_said, self.receipt_said, self.resumes = 0, None, 0, 0

    def save(self):
        """Nothing is stored for a peer before our Resume."""
        if self.own:
            self.kept.commit()

    def resume(self):
        """The body of our Resume, unless it would repeat the last one."""
        pair = self.pair
        says = (pair["epoch"], pair["their_epoch"])
        if self.own == says:
            return None
        if not self.own or self.own[0] != says[0]:
            self.epochs, self.agreed = self.epochs + 1, bool(self.theirs) and self.epochs == 0
        self.own = says
        self.save()
        return (bytes.fromhex(pair["epoch"]) + eight(pair["received"] + 1) + eight(pair["next"])
                + bytes.fromhex(pair["their_epoch"]) + eight(pair["last"]) + bytes.fromhex(pair["their_chain"]))

    def take_resume(self, body):
        """Checks both directions. Returns whether our Resume must be sent (again)."""
        pair, theirs = self.pair, (body[:16].hex(), body[32:48].hex())
        oldest, following, last = (int.from_bytes(body[i:i + 8], "big") for i in (16, 24, 48))
        wrong = len(body) != 72 or body[:16] == NO_EPOCH or not 1 <= oldest <= following
        self.resumes += 1
        if wrong or self.resumes > 8 or theirs == self.theirs or body[32:48] == NO_EPOCH and last:
            raise Failed("a resume breaks the protocol")
        is_another = bool(self.theirs) and self.theirs[0] != theirs[0]
        if not self.theirs or is_another:
            self.their_epochs, self.named, self.kept_said, self.receipt_said = self.their_epochs + 1, 0, None, 0
        self.theirs, self.named = theirs, max(self.named, following - 1)
        # Their direction.
        if pair["their_epoch"] != theirs[0] or oldest > pair["last"] + 1:
            if pair["their_epoch"] == theirs[0]:
                print("were received once and are not here:", pair["last"] + 1, "to", oldest - 1, flush=True)
            chain = START if oldest == 1 and pair["their_epoch"] != theirs[0] else UNKNOWN
            pair.update(their_epoch=theirs[0], last=oldest - 1, shown=oldest - 1, their_chain=chain.hex(), inbox=[])
        # Ours.
        self.agreed = bool(self.own) and (self.epochs == 1 or theirs[1] == pair["epoch"])
        self.sent = pair["received"]
        if theirs[1] == pair["epoch"]:
            chains = {pair["received"]: pair["chain"], **{row[0]: row[3] for row in pair["outbox"]}}
            ours = bytes.fromhex(chains.get(last, UNKNOWN.hex()))
            differs = ours != body[56:] and UNKNOWN not in (ours, body[56:])
            is_foreign = body[56:] == UNKNOWN and last > pair["sent"]  # a number that was never sent
            if last >= pair["next"] or differs or is_foreign:
                print("this file is older than what the other side has", flush=True)
                self.begin_epoch()
                return True
            self.sent = max(self.sent, last)
        self.save()
        return is_another

    def begin_epoch(self):
        pair, chain = self.pair, START
        rows = [row for row in pair["outbox"] if row[2] is not None]
        for seq, row in enumerate(rows, 1):
            chain = next_chain(chain, seq, bytes.fromhex(row[2]))
            row[0], row[3] = seq, chain.hex()
        pair.update(epoch=os.urandom(16).hex(), next=len(rows) + 1, sent=0, received=0, chain=START.hex(),
                    outbox=rows)
        self.sent = 0

    def queue(self, text):
        pair = self.pair
        chain = bytes.fromhex(pair["outbox"][-1][3] if pair["outbox"] else pair["chain"])
        chain = next_chain(chain, pair["next"], text)
        pair["outbox"].append([pair["next"], int(time.time() * 1000), text.hex(), chain.hex()])
        pair["next"] += 1
        self.save()

    def unsent(self):
        """The records of the messages that wait after those that were sent, by number."""
        for seq, typed, text, _ in [row for row in self.pair["outbox"] if row[0] > self.sent]:
            self.sent = seq
            if seq > self.pair["sent"]:
                self.pair["sent"] = seq
                self.save()
            yield seq, (SKIP, eight(seq)) if text is None else (TEXT, eight(seq) + eight(typed) + bytes.fromhex(text))

    def receipted(self, upto):
        pair = self.pair
        while pair["outbox"] and pair["outbox"][0][0] <= upto:
            pair["received"], _, _, pair["chain"] = pair["outbox"].pop(0)
        self.save()

    def take(self, seq, text):
        """Stores a message of the peer. Returns whether it is new."""
        pair = self.pair
        self.named = max(self.named, seq)
        if seq > pair["last"] + 1:
            raise Failed("a message is missing")
        if seq <= pair["last"]:
            return False
        chain = next_chain(bytes.fromhex(pair["their_chain"]), seq, text)
        pair.update(last=seq, their_chain=chain.hex())
        if text is not None:
            pair["inbox"].append([seq, text.hex()])
        self.save()
        return True

    def show(self, seq):
        self.pair.update(shown=max(self.pair["shown"], seq), inbox=[row for row in self.pair["inbox"] if row[0] > seq])
        self.save()

    def owed(self):
        """Kept and Receipt, if they count for the pair and say more than before."""
        if self.own and self.theirs and (self.their_epochs == 1 or self.own[1] == self.theirs[0]):
            kept, shown = (min(self.pair[name], self.named) for name in ("last", "shown"))
            if self.kept_said is None or kept > self.kept_said:
                self.kept_said = kept
                yield KEPT, eight(kept)
            if shown > self.receipt_said:
                self.receipt_said = shown
                yield RECEIPT, eight(shown)


# Files (5.8)

BLOCK = 4 << 20


class Target:
    """One file that is received, as far as it is there. Its part is found again by the id of the transfer."""

    def __init__(self, folder, ident, size, name):
        self.folder, self.size, self.name = folder, size, name
        self.part = os.path.join(folder, "." + ident.hex() + ".part")
        self.file = open(os.open(self.part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+b")
        self.hashes, self.block, self.at = [], sha256(), 0
        while self.at < size and (data := self.file.read(min(size - self.at, 1 << 16))):
            self.hash(data)

    def hash(self, data):
        while data:
            now, data = data[:BLOCK - self.at % BLOCK], data[BLOCK - self.at % BLOCK:]
            self.block.update(now)
            self.at += len(now)
            if self.at % BLOCK == 0:
                self.hashes.append(self.block.digest())
                self.block = sha256()

    def write(self, data):
        if self.at + len(data) > self.size:
            raise Failed("a file is longer than was offered")
        self.file.seek(self.at)
        self.file.write(data)
        self.hash(data)

    def is_whole(self, size, root):
        last = [self.block.digest()] if self.at % BLOCK else []
        return size == self.at == self.size and root == sha256(b"".join(self.hashes + last)).digest()

    def finish(self):
        """Gives it its name, once it is on disk; nothing is overwritten."""
        self.file.flush()
        os.fsync(self.file.fileno())
        stem, ext = os.path.splitext(self.name)
        for name in [self.name] + [f"{stem} ({number}){ext}" for number in range(2, 1000)]:
            try:
                os.link(self.part, os.path.join(self.folder, name))
                break
            except FileExistsError:
                continue
        else:
            raise Failed("every name of a file is taken")
        os.unlink(self.part)
        folder = os.open(self.folder, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
        self.file.close()
        return name


def safe_name(claimed):
    """The last component of a name, without what hides, moves or reorders."""
    name = unicodedata.normalize("NFC", claimed.rstrip(b"/").rpartition(b"/")[2].decode("utf-8", "replace"))
    name = "".join("_" if unicodedata.category(c)[0] == "C" or c == "\ufffd" else c for c in name).strip() or "_"
    return ("_" + name if name[0] == "." else name).encode()[:240].decode("utf-8", "ignore")


class Files:
    """Transfers that this peer takes: every file, and no folder."""

    def __init__(self, folder, send):
        self.folder, self.send, self.open, self.filed = folder, send, {}, set()

    def take(self, kind, body):
        """Handles a record of the sender. Returns whether it says nothing."""
        ident, rest = body[:16], body[16:]
        target, number = self.open.get(ident), lambda start, end: int.from_bytes(rest[start:end], "big")
        if kind == OFFER and len(rest) > 21:
            if ident in self.filed:
                self.send(FILED, ident)
            elif rest[0] != 0 or number(1, 5) != 1:
                self.send(DECLINE, ident + b"\0")
            elif not target:
                self.open[ident] = target = Target(self.folder, ident, number(5, 13), safe_name(rest[21:]))
                self.send(ACCEPT, ident + bytes(4) + eight(target.at))
                return False
            return True
        if not target:
            return True
        if kind == CANCEL and len(rest) == 1:
            os.unlink(self.open.pop(ident).part)
            print("cancelled", target.name, flush=True)
        elif kind in (CHUNK, HOLE) and len(rest) > 12 and rest[:12] == bytes(4) + eight(target.at):
            data, left = (rest[12:], 0) if kind == CHUNK else (b"", number(12, 20))
            while data or left:
                target.write(data or bytes(min(left, 1 << 16)))
                data, left = b"", max(0, left - (1 << 16)) if not data else left
            self.send(HAVE, ident + bytes(4) + eight(target.at))
        elif kind == END_OF_FILE and len(rest) == 44 and number(0, 4) == 0:
            del self.open[ident]
            if not target.is_whole(number(4, 12), rest[12:]):
                os.unlink(target.part)
                self.send(CANCEL, ident + b"\2")
                return False
            self.send(HAVE, ident + b"\0\0\0\1" + eight(0))
            name = target.finish()
            self.filed.add(ident)
            self.send(FILED, ident)
            print("received", name, flush=True)
        else:
            raise Failed("a file breaks the protocol")
        return False


# Records (5)

class Direction:
    """One direction's key and counter (5.2)."""

    def __init__(self, key):
        self.key, self.n = key, 0

    def next(self):
        if self.n and self.n % (1 << 20) == 0:
            self.key = AESGCM(self.key).encrypt(nonce((1 << 64) - 1), bytes(32), None)[:32]
        self.n += 1
        return AESGCM(self.key), nonce(self.n - 1)


class Session:
    def __init__(self, wire, state, role, name, kept=None, blob=b"", folder=None, introduction=None):
        *keys, exporter = state.split()
        self.chain, self.h, self.role = hmac.digest(exporter, b"rsachat/1 re-keying", "sha256"), state.h, role
        self.rekey_key, self.next_into, self.rekeyings = None, None, 0
        self.wire, self.lock, self.changed, self.ping = wire, threading.Lock(), threading.Condition(), None
        self.out, self.into = [Direction(key) for key in (keys if role == "connect" else keys[::-1])]
        self.said, self.heard, self.receipted, self.acknowledged = 0, 0, 0, 0
        self.idle, self.idle_since, self.left = 0, time.monotonic(), False
        options = REKEYING | (DURABLE if kept else 0) | (FILES if folder else 0) | (LOBBY if introduction else 0)
        confirm = state.h + options.to_bytes(4, "big") + name.encode()
        if role == "connect":
            self.send(CONFIRM, confirm)
            wire.judged()
        kind, body = self.record(4096)
        if kind != CONFIRM or not 37 <= len(body) <= 164 or not hmac.compare_digest(body[:32], state.h):
            raise Failed("the other side is not in the same handshake")
        if role == "listen":  # here it would check the key, and send the alert if it refuses it
            self.send(CONFIRM, confirm)
        theirs = int.from_bytes(body[32:36], "big")
        if introduction and theirs & LOBBY:
            self.wait_in_lobby(*introduction)
        self.can_rekey = theirs & REKEYING != 0
        self.peer = body[36:].decode("utf-8", "ignore")
        self.files = Files(folder, self.send) if folder and theirs & FILES else None
        is_short = role == "listen" and theirs & SHORT
        self.durable = Durable(kept, fingerprint(blob)) if kept and theirs & DURABLE and not is_short else None
        # Numbers of our messages by ordinal; how many of them count for the connection; whether their receipts are ordinals.
        self.numbers, self.for_connection, self.by_ordinal, self.highest, self.probe = [], 0, True, 0, None

    def send(self, kind, body, next_key=None):
        """Sends a record, but nothing after the goodbye. A next key seals the records after this one."""
        plain = bytes([kind]) + len(body).to_bytes(2, "big") + body
        plain = plain.ljust(max(256, 1 << (len(plain) - 1).bit_length()), b"\0")
        length = (len(plain) + 16).to_bytes(2, "big")
        with self.lock:
            if self.left:
                return
            self.left = kind == BYE
            cipher, number = self.out.next()
            self.wire.sock.sendall(length + cipher.encrypt(number, plain, length))
            if next_key:
                self.out = Direction(next_key)

    # The lobby (5.9)

    def wait_in_lobby(self, kind, body):
        """Presents us, once, and waits to be admitted."""
        self.send(kind, body)
        self.wire.until, skipped = time.monotonic() + 70, 0
        while True:
            kind, body = self.record()
            if kind == ADMITTED and not body:
                return
            skipped += 1
            if kind == BYE:
                raise Failed("the other side does not let us in")
            if not 128 <= kind <= 191 or skipped > 32:
                raise Failed("a record breaks the protocol")

    # Re-keying (5.6)

    def rekey(self):
        """The first step of the initiator. This peer does it when told to, not every hour."""
        if self.role == "connect" and self.can_rekey and not self.rekey_key:
            self.rekey_key = XWing()
            self.send(REKEY, self.rekey_key.public)

    def advance(self, secret):
        """The next keys, of the initiator's and the responder's records."""
        self.chain, to_r, to_i = hkdf(self.chain, secret + self.h, 3)
        self.rekeyings += 1
        return to_r, to_i

    def take_rekey(self, kind, body):
        if kind == REKEY and self.role == "listen" and self.can_rekey and not self.next_into and len(body) == 1216:
            ct, secret = x_wing_encapsulate(body)
            self.next_into, to_i = self.advance(secret)
            self.send(REKEYED, ct, to_i)
        elif kind == REKEYED and self.rekey_key and len(body) == 1120:
            to_r, to_i = self.advance(self.rekey_key.decapsulate(body))
            self.into, self.rekey_key = Direction(to_i), None
            self.send(REKEYED, b"", to_r)
            print("re-keyed", self.rekeyings, flush=True)
        elif kind == REKEYED and self.next_into and not body:
            self.into, self.next_into = Direction(self.next_into), None
            print("re-keyed", self.rekeyings, flush=True)
        else:
            raise Failed("a re-keying breaks the protocol")

    def record(self, limit=32784):
        body = self.wire.frame(limit)
        if not body and limit == 4096:
            raise Failed("the other side does not want this key, or somebody in between says so")
        cipher, number = self.into.next()
        try:
            plain = cipher.decrypt(number, body, len(body).to_bytes(2, "big"))
        except (InvalidTag, ValueError):
            raise Failed("a record does not open") from None
        end = 3 + int.from_bytes(plain[1:3], "big")
        if len(plain) < end or plain[end:].strip(b"\0"):
            raise Failed("a record is malformed")
        return plain[0], plain[3:end]

    # Durable delivery (5.7)

    def resume(self):
        """Sends our Resume, which asks for that of the peer."""
        with self.changed:
            durable = self.durable
            body = durable and durable.resume()
            if not body:
                return
            self.send(RESUME, body)
            self.highest = durable.pair["next"] - 1
            if not durable.theirs:
                self.probe = self.ping = os.urandom(8)
                self.send(PING, self.ping)
            self.settle()
            for seq, text in durable.pair["inbox"]:
                self.show(bytes.fromhex(text), " (again)")
            durable.show(durable.pair["last"])
            self.answer()

    def settle(self):
        """Receipts count for the pair at once if we had sent no Text before either Resume."""
        durable = self.durable
        if durable.own and durable.theirs and not self.numbers:
            self.by_ordinal = False

    def take_resume(self, body):
        with self.changed:
            must_say = self.durable.take_resume(body)
            self.settle()
            self.probe = None
            if must_say and self.durable.own:
                self.resume()
            self.answer()
            self.push()

    def push(self):
        """Sends what waits, once we know what the peer has, or that it has not chosen us."""
        if self.durable.own and not self.probe and (self.durable.agreed or not self.durable.theirs):
            for seq, (kind, body) in self.durable.unsent():
                self.numbers.append((self.durable.pair["epoch"], seq))
                self.highest = max(self.highest, seq)
                self.send(kind, body)

    def answer(self):
        for kind, body in self.durable.owed():
            self.send(kind, body)

    def take_answer(self, kind, number):
        """Handles a Kept or Receipt in either numbering. Returns whether it says anything new."""
        with self.changed:
            durable = self.durable
            if kind == RECEIPT and self.by_ordinal:
                if number > len(self.numbers):
                    raise Failed("a receipt for what was never sent")
                is_new, self.receipted = number > self.receipted, max(self.receipted, number)
                epoch, seq = self.numbers[number - 1] if number else (None, 0)
                if is_new and epoch and epoch == durable.pair["epoch"]:
                    durable.receipted(seq)
                self.changed.notify_all()
                return is_new
            if not (durable and durable.own and durable.theirs) or self.receipted < self.for_connection:
                raise Failed("an answer breaks the protocol")
            self.by_ordinal = False
            if not durable.agreed:
                return False  # of an earlier epoch
            if number > self.highest:
                raise Failed("an answer for what was never sent")
            is_new = number > durable.pair["received"]
            if kind == RECEIPT and is_new:
                durable.receipted(number)
            if kind == KEPT and number:
                print("on their disk up to", number, flush=True)
            self.changed.notify_all()
            return is_new

    def take_numbered(self, kind, body, number):
        """Handles a Text or Skip after the peer's Resume. A side that has not resumed itself stores nothing and ignores the number."""
        with self.changed:
            self.heard += 1
            text, durable = body[16:] if kind == TEXT else None, self.durable
            if durable.own and durable.theirs:
                is_new = durable.take(number, text)
                self.answer()
            else:
                is_new, durable.named = True, max(durable.named, number)
            if is_new and text is not None:
                self.show(text)
            if durable.own and durable.theirs:
                durable.show(number)
                self.answer()
            else:
                self.send(RECEIPT, eight(self.heard))
                durable.pair.update(last=number, shown=number, their_chain=UNKNOWN.hex())
            self.acknowledged = self.heard
            self.changed.notify_all()
            return not is_new

    def show(self, text, mark=""):
        print(self.peer + ":", text.decode("utf-8", "backslashreplace") + mark, flush=True)

    def waits(self):
        """Our messages that are not acknowledged."""
        pair = self.durable.pair["outbox"] if self.durable and self.durable.own else []
        return max(0, self.for_connection - self.receipted) + len(pair)

    def say(self, text):
        with self.changed:
            self.changed.wait_for(lambda: self.waits() < 1000)
            if self.durable and self.durable.own:
                self.durable.queue(text)
                return self.push()
            self.said += 1
            self.for_connection = self.said
            self.numbers.append((None, self.said))
            self.send(TEXT, eight(self.said) + eight(int(time.time() * 1000)) + text)

    def hear(self):
        """Handles records until the end; prints texts, and acknowledges them once they are printed."""
        silent = time.monotonic()
        while True:
            self.wire.until = time.monotonic() + 20
            try:
                kind, body = self.record()
            except (Failed, OSError) as error:
                if self.left:
                    return  # we have said goodbye, and the other side has closed
                if not isinstance(error, socket.timeout):
                    raise
                if time.monotonic() - silent >= 60:
                    raise Failed("nothing heard for 60 s") from None
                if not self.probe:
                    self.ping = os.urandom(8)
                self.send(PING, self.ping)
                continue
            silent = time.monotonic()
            number = int.from_bytes(body[:8], "big")
            has_number = kind == TEXT and 16 <= len(body) <= 16400 or kind == SKIP and len(body) == 8 and self.durable
            if kind == BYE and len(body) == 1:
                return
            if has_number and self.durable and self.durable.theirs:
                self.count_idle(self.take_numbered(kind, body, number))
            elif kind == TEXT and has_number and number == self.heard + 1:
                self.heard, self.idle = number, 0
                self.show(body[16:])
                self.send(RECEIPT, body[:8])
                with self.changed:
                    self.acknowledged = number
                    self.changed.notify_all()
            elif kind == RECEIPT and len(body) == 8 or kind == KEPT and len(body) == 8 and self.durable:
                self.count_idle(not self.take_answer(kind, number))
            elif kind == RESUME and self.durable:
                self.count_idle(True)
                self.take_resume(body)
            elif OFFER <= kind <= CANCEL and self.files:
                self.count_idle(self.files.take(kind, body))
            elif kind == PING and len(body) == 8:
                self.send(PONG, body)
                self.count_idle(True)
            elif kind in (REKEY, REKEYED):
                if kind == REKEY:
                    self.count_idle(True)
                try:
                    self.take_rekey(kind, body)
                except ValueError:
                    raise Failed("the other side's fresh key is none") from None
            elif kind == PONG and body == self.ping:
                self.ping = None  # we asked for it: it does not count (5.5)
                if self.probe == body:
                    print("the other side keeps nothing for us yet", flush=True)
                    with self.changed:
                        self.probe = None
                        self.push()
            elif kind == PONG and len(body) == 8 or 128 <= kind <= 191:
                self.count_idle(True)
            else:
                raise Failed("a record breaks the protocol")

    def count_idle(self, is_idle):
        if not is_idle or time.monotonic() - self.idle_since >= 20:
            self.idle, self.idle_since = 0, time.monotonic()
        self.idle += is_idle
        if self.idle > 32:
            raise Failed("too many records say nothing")


def talk(session):
    """Sends the lines of standard input, then the goodbye once everything is acknowledged. The lines `:rekey` and `:resume` are not sent."""
    for line in iter(open(0, "rb", buffering=0).readline, b""):
        if line.rstrip() == b":rekey":
            session.rekey()
        elif line.rstrip() == b":resume":
            session.resume()
        else:
            session.say(line.rstrip(b"\r\n"))
    with session.changed:
        # The receipts of both sides.
        done = lambda: session.waits() == 0 and session.acknowledged == session.heard
        session.changed.wait_for(done, timeout=60)
    session.send(BYE, b"\0")
    session.wire.sock.shutdown(socket.SHUT_WR)


def shake(wire, role, own, patient, expected):
    """The handshake, and its one alert if it fails although the other side speaks our protocol."""
    try:
        return initiate(wire, own, patient, expected) if role == "connect" else respond(wire, own)
    except (Failed, InvalidTag, ValueError) as error:
        if wire.greeted:
            wire.send(b"")
        raise error if isinstance(error, Failed) else Failed("the handshake failed") from None


def main():
    args, when, folder, introduction, invitation = sys.argv[1:], None, None, None, None
    if args[:2] in (["letter", "open"], ["letter", "seal"]) and len(args) == 5:
        return letter(*args[1:])
    if args[:2] == ["first", "open"] and len(args) == 4 or args[:2] in (["first", "bundle"], ["first", "seal"]) and len(args) == 5:
        return first(*args[1:])
    while args[:1] in (["--keep"], ["--keep-when-told"], ["--files"], ["--knock"]):
        if args[0] == "--files":
            folder = args[1]
        elif args[0] == "--knock":
            introduction = KNOCK, args[1].encode()
        else:
            when, kept = args[0], Kept(args[1])
        args = args[2:]
    if len(args) not in (2, 3) or args[0] not in ("listen", "connect", "patient"):
        sys.exit(__doc__)
    patient, own = args[0] == "patient", Identity(kept.key if when else None)
    role = "connect" if patient else args[0]
    if role == "connect" and args[1].lower().startswith("rsachat://"):
        invitation = Invitation(args[1])
        introduction = INVITE, invitation.token
    else:
        host, _, port = args[1].rpartition(":")
        address = host or "localhost", int(port)
    print("own key", fingerprint(own.blob), flush=True)
    if invitation:
        sock = invitation.call()
    elif role == "listen":
        with socket.create_server(address) as server:
            print("listening on %s:%d" % server.getsockname()[:2], flush=True)
            sock, _ = server.accept()
    else:
        sock = socket.create_connection(address)
    wire = Wire(sock)
    try:
        state, blob = shake(wire, role, own, patient, invitation and invitation.key)
        name = args[2] if len(args) == 3 else "python"
        session = Session(wire, state, role, name, kept if when else None, blob, folder, introduction)
        print("connected to", session.peer, fingerprint(blob), flush=True)
        if when == "--keep":
            session.resume()
        threading.Thread(target=talk, args=(session,), daemon=True).start()
        session.hear()
        print("the other side left", flush=True)
    except (Failed, OSError) as error:
        print("ended:", error, flush=True)
        sys.exit(1)


main()
