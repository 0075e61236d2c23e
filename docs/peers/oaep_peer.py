#!/usr/bin/env python3
"""The tutorial's chat, repaired: server and client in one, and both sides can read.

    pip install pycryptodome
    python3 oaep_peer.py listen [HOST:]PORT     wait for one caller (port 0: any free one)
    python3 oaep_peer.py connect HOST:PORT      call
It speaks the raw wire of rsachat (docs/RAW.md): the listener sends its public key as PEM, the caller
answers with its own, and then each message is one RSA-OAEP block (SHA-1) to the key of the other side.
Lines of standard input are sent; `exit`, or the end of the input, ends it. Nobody is authenticated here.
"""

import socket
import sys
import threading

from Crypto.Cipher import PKCS1_OAEP
from Crypto.PublicKey import RSA

BEGIN, END, PEM_LIMIT = b"-----BEGIN ", b"-----END PUBLIC KEY-----", 8192


class Stream:
    """Bytes of a socket in the pieces that we want, however TCP has split or joined them."""

    def __init__(self, sock):
        self.sock, self.waiting = sock, b""

    def need(self, count):
        while len(self.waiting) < count:
            if not (data := self.sock.recv(4096)):
                raise EOFError("the other side hung up")
            self.waiting += data

    def take(self, count):
        self.need(count)
        taken, self.waiting = self.waiting[:count], self.waiting[count:]
        return taken

    def take_pem(self):
        while END not in self.waiting:
            if len(self.waiting) > PEM_LIMIT:
                raise ValueError("that PEM does not end")
            self.need(len(self.waiting) + 1)
        return self.take(self.waiting.index(END) + len(END)).strip()


def open_first(stream, cipher, size):
    """The first block after a PEM. A newline before it may end the PEM, or be the first byte of the block."""
    stream.need(size)
    ends = len(stream.waiting) - len(stream.waiting.lstrip(b"\r\n"))
    for skipped in range(min(ends, 4) + 1):
        stream.need(skipped + size)
        try:
            text = cipher.decrypt(stream.waiting[skipped:skipped + size])
        except ValueError:
            continue
        stream.take(skipped + size)
        return text
    raise ValueError("the first block does not open")


def hear(stream, key):
    """Prints what arrives until `exit` or the end of the stream."""
    cipher, size = PKCS1_OAEP.new(key), key.size_in_bytes()
    try:
        text = open_first(stream, cipher, size)
        while text != b"exit":
            print("Received:", text.decode("utf-8", "replace"), flush=True)
            text = cipher.decrypt(stream.take(size))
        print("The other side left.", flush=True)
    except (EOFError, ValueError, OSError) as error:
        print("Ended:", error, flush=True)


def parts(data, room):
    """UTF-8 in pieces of at most `room` bytes, cut between characters, none of which is `exit`."""
    while len(data) > room:
        cut = room
        while data[cut] & 0xC0 == 0x80 or data[cut:] == b"exit":
            cut -= 1
        yield data[:cut]
        data = data[cut:]
    yield data


def say(sock, peer):
    """Sends the lines of standard input, then `exit`."""
    cipher, room = PKCS1_OAEP.new(peer), peer.size_in_bytes() - 42
    for line in iter(open(0, "rb", buffering=0).readline, b""):
        if line.strip() == b"exit":
            break
        for part in parts(line.rstrip(b"\r\n"), room):
            sock.sendall(cipher.encrypt(part))
    sock.sendall(cipher.encrypt(b"exit"))


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("listen", "connect"):
        sys.exit(__doc__)
    listens, (host, _, port) = sys.argv[1] == "listen", sys.argv[2].rpartition(":")
    key = RSA.generate(2048)
    own = key.publickey().export_key()
    if listens:
        with socket.create_server((host or "localhost", int(port))) as server:
            print("listening on %s:%d" % server.getsockname()[:2], flush=True)
            sock, _ = server.accept()
        sock.sendall(own)
    else:
        sock = socket.create_connection((host or "localhost", int(port)))
    stream = Stream(sock)
    peer = RSA.import_key(stream.take_pem())
    if not listens:
        sock.sendall(own)
    print("connected", flush=True)
    threading.Thread(target=say, args=(sock, peer), daemon=True).start()
    hear(stream, key)


main()
