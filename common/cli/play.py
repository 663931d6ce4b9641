"""The action play: a page in the browser to play with a generator, on this machine only.

./run_recipe.sh dcgan play
./run_recipe.sh dcgan play --pretrained
"""

import contextlib
import dataclasses
import ipaddress
import os
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import tyro

from common.base.arguments import parse
from common.base.errors import InputError
from common.base.paths import shown
from common.base.ranges import Range
from common.cli.mark_choice import MarkChoice
from common.cli.playground import Playground
from common.cli.run_choice import RunChoice
from common.launch import environment

PORTS = range(7860, 7960)
LOCAL = "127.0.0.1"


@dataclasses.dataclass(frozen=True)
class PlayOptions(MarkChoice, RunChoice):
    """Options of the action play."""

    port: Annotated[int | None, Range(1, 65_536)] = None
    """port of the page; by default the first free one from 7860 on"""
    share_on: Annotated[str | None, tyro.conf.arg(metavar="ADDRESS")] = None
    """address of this machine on which others may open the page, such as 192.168.0.5, or 0.0.0.0 for all; by default
    only this machine can"""

    def check_given(self, given):
        if self.share_on:
            try:
                ipaddress.ip_address(self.share_on)
            except ValueError:
                raise InputError(
                    f"--share-on expects an address of this machine, such as 192.168.0.5, but is {self.share_on}."
                ) from None


def play_action(name, arguments):
    """Opens a page to play with a generator: samples, walks, directions, uploads, and how its training goes."""
    (options,) = parse(f"./run_recipe.sh {name} play", play_action.__doc__, {"play": PlayOptions}, arguments)
    playground = Playground(name, options.folder(name), options.where(), marks=not options.no_mark)
    address = options.share_on or LOCAL
    usable_port(address, options.port)  # before seconds of loading
    environment.ensure_on_demand("play", "Pages in the browser", "gradio")
    with leaving_on_signals(), tempfile.TemporaryDirectory(prefix="gan_cookbook_play_") as scratch:
        # No statistics of use, no look for a newer version, no models of a hub: the page needs no network.
        os.environ.update(GRADIO_ANALYTICS_ENABLED="False", HF_HUB_OFFLINE="1", GRADIO_TEMP_DIR=scratch)
        from common.cli import play_page  # it imports gradio, which may just have been installed

        page = play_page.build(playground, Path(scratch))
        place = served(page, play_page.serve, address, options.port)
        try:
            print(f"{shown(playground.folder)} at http://{place} until Ctrl-C", flush=True)
            page.block_thread()
        finally:
            page.close(verbose=False)  # before its temporary files are removed


def served(page, serve, address, port, tries=3):
    """Serves a page; returns where, as in a URL. Another page that starts at this moment may take a port first.

    Raises:
        InputError: if it cannot be served.
    """
    host = f"[{address}]" if ":" in address else address
    for left in reversed(range(tries)):
        found = usable_port(address, port)
        try:
            serve(page, host, found)
        except OSError as error:
            if port or not left:
                raise InputError(f"The page cannot be served on {host}:{found} ({error}); give a --port.") from error
        else:
            return f"{host}:{found}"


@contextlib.contextmanager
def leaving_on_signals():
    """Makes SIGTERM and SIGHUP, which end a program at once, leave what it is in, so that no temporary files stay."""

    def leave(number, frame):
        sys.exit(128 + number)

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    for number, handler in before.items():
        if handler != signal.SIG_IGN:  # as SIGHUP is under nohup
            signal.signal(number, leave)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def usable_port(address, port=None):
    """Returns a port of an address on which a page can be served: the given one, or the first that is free.

    Raises:
        InputError: if the address is not one of this machine, or there is no such port.
    """
    if reason := refused(address, 0):
        raise InputError(
            f"--share-on expects an address of this machine, but {address} is none ({reason}); hostname -I prints them."
        )
    if port is None:
        for port in PORTS:
            if not (reason := refused(address, port)):
                return port
        raise InputError(f"No port from {PORTS[0]} to {PORTS[-1]} of {address} can be used ({reason}); give --port.")
    if reason := refused(address, port):
        raise InputError(f"Port {port} of {address} cannot be used ({reason}); give another --port.")
    return port


def refused(address, port):
    """Returns why a port of an address cannot be used, 0 for any port; None if it can."""
    # Gradio looks for the port on 127.0.0.1, whatever address the page is to have.
    return next(filter(None, (cannot_bind(each, port) for each in (address, LOCAL))), None)


def cannot_bind(address, port):
    try:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a server before may have just ended
            probe.bind((address, port))
    except OSError as error:
        return error.strerror
    return None
