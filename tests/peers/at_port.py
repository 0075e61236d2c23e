"""Runs an unchanged program whose port 8000 is another one here: tests have no fixed ports.

    at_port.py PORT PROGRAM      0 takes a free one; a listener's is told on standard error as `port N`
"""

import runpy
import socket
import sys

PORT, PROGRAM = int(sys.argv[1]), sys.argv[2]


class Elsewhere(socket.socket):
    def bind(self, address):
        super().bind((address[0], PORT))

    def listen(self, backlog):
        super().listen(backlog)
        print("port", self.getsockname()[1], file=sys.stderr, flush=True)

    def connect(self, address):
        super().connect((address[0], PORT))


socket.socket = Elsewhere
runpy.run_path(PROGRAM, run_name="__main__")
