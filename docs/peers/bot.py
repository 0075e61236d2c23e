#!/usr/bin/env python3
"""A bot behind `rsachat --json`: it answers every peer that writes to it, in any number of conversations.

    python3 docs/peers/bot.py --name bot --listen 127.0.0.1:8000

The options are those of rsachat, which is found by RSACHAT or on the path. `time` is answered with the time, `bye`
closes that conversation, anything else is sent back. docs/EVENTS.md describes the objects.
"""
import json
import os
import subprocess
import sys
import time


def answer(text):
    return time.strftime("%H:%M:%S") if text == "time" else text


def main():
    command = [os.environ.get("RSACHAT", "rsachat"), "--json", *sys.argv[1:]]
    chat = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")

    def order(**fields):
        print(json.dumps(fields), file=chat.stdin, flush=True)

    for line in chat.stdout:
        event = json.loads(line)
        match event["event"]:
            case "message" if event.get("short"):
                # The sender is not there to be answered.
                print(f"{event['from']} sent: {event['text']}", flush=True)
            case "message" if event["text"] == "bye":
                order(command="close", arguments=[event["fingerprint"] or event["from"]])
            case "message":
                # By its key: another peer may have the name by now. The raw wire proves no key.
                order(say=answer(event["text"]), to=event["fingerprint"] or event["from"])
            case "listening":
                print(f"listening on {event['address']}", flush=True)
            case "connected" | "left":
                print(f"{event['event']}: {event['name']}", flush=True)
            case "warning":
                print(f"warning: {event['message']}", file=sys.stderr, flush=True)
            case "done":
                return event["code"]
    return chat.wait()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
