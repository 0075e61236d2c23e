"""A program on nats-py, beside which letters are measured: client.py SEED INBOXES SERVER...

It does what a line of its standard input says, and answers with the seconds that it took:
publish SUBJECT COUNT BYTES    leaves messages one after the other, each acknowledged before the next
read SUBJECT                   reads all messages of a subject, as a user of docs/RELAY.md may
next SUBJECT                   leaves one message, again and again until it is acknowledged
"""

import asyncio
import sys
import time

import nats
from nats.js.errors import NotFoundError

TRY = 0.5


async def publish(js, subject, count, size):
    for _ in range(int(count)):
        await js.publish(subject, b"x" * int(size), headers={"Nats-Msg-Id": str(time.monotonic_ns())})


async def read(js, subject):
    number = 0
    while True:
        try:
            message = await js.get_msg("RC", seq=number + 1, subject=subject, direct=True, next=True)
        except NotFoundError:
            return
        number = message.seq


async def leave(js, subject):
    headers = {"Nats-Msg-Id": str(time.monotonic_ns())}
    while True:
        try:
            return await js.publish(subject, b"x", timeout=TRY, headers=headers)
        except (nats.errors.Error, nats.js.errors.Error):
            await asyncio.sleep(TRY / 10)


async def quiet(error):
    pass


async def main(seed, inboxes, *servers):
    with open(seed) as file:
        seed = file.read().strip()
    client = await nats.connect(
        list(servers), nkeys_seed_str=seed, inbox_prefix=inboxes, max_reconnect_attempts=-1, error_cb=quiet
    )
    js = client.jetstream()
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    while line := (await loop.run_in_executor(None, sys.stdin.readline)).split():
        order, *arguments = line
        begun = time.monotonic()
        await {"publish": publish, "read": read, "next": leave}[order](js, *arguments)
        print(f"took {time.monotonic() - begun}", flush=True)


asyncio.run(main(*sys.argv[1:]))
