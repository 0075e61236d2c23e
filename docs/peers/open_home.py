"""Opens a home that `rsachat home export` wrote, as docs/HOME.md says.

    python3 open_home.py FILE PASSPHRASE_FILE [FOLDER]

lists what is in it, and with FOLDER, which must not exist, writes the files there.
"""
import hashlib
import os
import sys

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

HEADER, CHUNK, TAG = 100, 65_536, 16


def number(data: bytes) -> int:
    return int.from_bytes(data, "big")


def opened(file: bytes, passphrase: bytes) -> bytes:
    """The content. Raises a ValueError that says what is wrong."""
    header, sealed = file[:HEADER], file[HEADER:]
    if header[:12] != b"rsachat home":
        raise ValueError("not a home that rsachat exported")
    if number(header[12:16]) != 1:
        raise ValueError("another version")
    if hashlib.sha256(header[:84]).digest()[:16] != header[84:]:
        raise ValueError("the header is damaged")
    log_n, r, p = (number(header[at : at + 4]) for at in (24, 28, 32))
    memory = 128 * r << min(log_n, 64)
    if memory > 256 << 20 or memory * p > 512 << 20:
        raise ValueError("it asks for too much time or memory")
    key = hashlib.scrypt(passphrase, salt=header[36:68], n=1 << log_n, r=r, p=p, maxmem=300 << 20, dklen=32)
    aead = AESGCM(key)
    try:
        aead.decrypt(b"\xff" * 12, header[68:84], header[:68])
    except InvalidTag:
        raise ValueError("wrong passphrase") from None
    chunks = [sealed[at : at + CHUNK + TAG] for at in range(0, len(sealed), CHUNK + TAG)]
    content = b"".join(aead.decrypt(at.to_bytes(12, "big"), chunk, header) for at, chunk in enumerate(chunks))
    if len(content) != number(header[16:24]):
        raise ValueError("it is cut")
    return content


def files(content: bytes):
    """Each file's name and bytes."""
    at = 8  # after the time
    while at < len(content):
        name_end = at + 1 + content[at]
        start = name_end + 8
        end = start + number(content[name_end:start])
        yield content[at + 1 : name_end].decode(), content[start:end]
        at = end


def main() -> None:
    path, passphrase_file, *folder = sys.argv[1:]
    with open(path, "rb") as file, open(passphrase_file, "rb") as passphrase:
        content = opened(file.read(), passphrase.readline().rstrip(b"\r\n"))
    for directory in folder:
        os.mkdir(directory, 0o700)
    for name, data in files(content):
        print(name, len(data), hashlib.sha256(data).hexdigest())
        for directory in folder:
            with open(os.path.join(directory, os.path.basename(name)), "xb") as out:
                out.write(data)


main()
