#!/usr/bin/env python3
"""Hammers the client API of a provider that runs, by the document that it serves.

Starts `tombolo serve` on a fresh data directory, with users, devices and a room, and lets the stock
fuzzer schemathesis send it what the document allows and what it does not. Fails on any 5xx, on
any answer that is not as documented, on a panic, and on a provider that does not stop as it should.

    fuzz/client_api/run.py [--seed N] [--seconds N] [--program target/debug/tombolo]

Without --seed it runs a fixed one and then a fresh one, which is printed.
"""

import argparse
import base64
import json
import os
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from http.client import HTTPSConnection
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
DOMAIN = "a.example"
# Not the one of the document's examples, which would delete the account.
PASSWORD = "incorrect mule"
FIXED_SEED = 20261128
# What a run may take beyond what it is given, for its start and its last request.
SECONDS_MORE_MAX = 60
# What the parent task understands as "the libraries are not installed".
SKIPPED = 77


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Provider:
    """A provider of a development CA that knows no other provider: nobody can be out of reach."""

    def __init__(self, program, home):
        self.program, self.home = program, home
        federation, self.port, admin = free_ports(3)
        self.run(
            "init", DOMAIN, "--dir", home, "--unknown-peers", "block", "--log-format", "json",
            "--federation-port", str(federation), "--client-port", str(self.port),
            "--admin-port", str(admin),
        )
        self.config = home / "tombolo.toml"
        self.root = home / "dev-ca" / "ca.pem"
        self.log = open(home / "log", "w+")
        self.process = subprocess.Popen(
            [program, "serve", "--config", self.config], stdout=self.log, stderr=self.log
        )
        self.context = ssl.create_default_context(cafile=self.root)
        deadline = time.monotonic() + 30
        while self.request("GET", "/openapi.json") is None:
            if time.monotonic() > deadline or self.process.poll() is not None:
                sys.exit(f"the provider does not start:\n{self.said()}")
            time.sleep(0.05)

    def run(self, *arguments, **named):
        named.setdefault("check", True)
        return subprocess.run(
            [self.program, *arguments], capture_output=True, text=True, timeout=120, **named
        )

    def request(self, method, path, body=None, token=None):
        """The JSON of an answer; None when there is none."""
        try:
            raw = socket.create_connection(("127.0.0.1", self.port), timeout=10)
            connection = HTTPSConnection(DOMAIN, self.port, timeout=10)
            connection.sock = self.context.wrap_socket(raw, server_hostname=DOMAIN)
            headers = {} if token is None else {"Authorization": f"Bearer {token}"}
            connection.request(method, f"/client/v1{path}", body and json.dumps(body), headers)
            return json.loads(connection.getresponse().read() or b"{}")
        except (OSError, json.JSONDecodeError):
            return None

    def add(self, user, device):
        """A user, and the token of a device."""
        self.run(
            "admin", "user", "add", "--config", self.config, user, "--password-stdin",
            input=f"{PASSWORD}\n",
        )
        return self.sign_in(user, device)

    def sign_in(self, user, device):
        # The base point of Ed25519 times what nobody needs to know: only its form is looked at.
        key = base64.b64encode(KEYS.pop()).decode()
        body = {"user": user, "password": PASSWORD, "device": device, "signature_key": key}
        return self.request("POST", "/register", body)["token"]

    def room(self):
        """A room that a device of alice's, in a chat, has founded."""
        chat = self.run(
            "chat", "--provider", f"https://{DOMAIN}:{self.port}", "--connect",
            f"127.0.0.1:{self.port}", "--roots", self.root, "--user", "alice", "--device", "chat",
            "--store", self.home / "chat.db", input="/new Club\nhello\n/rooms\n/quit\n",
            env={**os.environ, "TOMBOLO_PASSWORD": PASSWORD},
        )
        found = re.search(rf"\((mimi://{DOMAIN}/r/[^)]+)\)", chat.stdout)
        return found.group(1) if found else sys.exit(f"no room: {chat.stdout}{chat.stderr}")

    def said(self):
        self.log.flush()
        return Path(self.log.name).read_text()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


# Points of Ed25519 that are none of the weak ones: 8-torsion-free keys of RFC 8032 section 7.1.
KEYS = [
    bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"),
    bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"),
    bytes.fromhex("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"),
    bytes.fromhex("278117fc144c72340f67d0f2316e8386ceffbf2b2428c9c51fef7c597f1d426e"),
    bytes.fromhex("ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf"),
]


def stock_fuzzer():
    """Beside the interpreter that runs this, as in a virtual environment, or on the path."""
    beside = Path(sys.executable).parent / "st"
    return beside if beside.exists() else shutil.which("st")


def hammer(provider, setting, token, seed, seconds):
    # What it keeps goes with the provider.
    config = provider.home / "schemathesis.toml"
    settings = (HERE / "schemathesis.toml").read_text()
    config.write_text(f"hooks = {json.dumps(str(HERE / 'hooks.py'))}\n{settings}")
    command = [
        stock_fuzzer(), "--config-file", config, "run",
        f"https://{DOMAIN}:{provider.port}/client/v1/openapi.json",
        "--url", f"https://{DOMAIN}:{provider.port}/client/v1",
        "--tls-verify", provider.root, "--header", f"Authorization: Bearer {token}",
        "--phases", "examples,coverage,fuzzing", "--mode", "all", "--seed", str(seed),
        "--checks", "all", "--exclude-checks", "positive_data_acceptance",
        "--max-examples", "40", "--max-time", str(seconds), "--request-timeout", "20",
        "--generation-database", "none", "--no-color", "--request-retries", "1", "--warnings", "off",
        "--suppress-health-check", "all",
    ]  # fmt: skip
    environment = {
        **os.environ,
        "TOMBOLO_FUZZ_SETTING": json.dumps(setting),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    try:
        command = list(map(str, command))
        most = seconds + SECONDS_MORE_MAX
        return subprocess.run(command, cwd=provider.home, env=environment, timeout=most).returncode
    except subprocess.TimeoutExpired:
        print("the fuzzer does not end: some request is never answered")
        return 1


def table_of(reached):
    """Prints what each operation answered how often; gives those that only ever said 401."""
    counts = {}
    for line in reached.read_text().splitlines():
        operation, status = line.split()
        statuses = counts.setdefault(operation, {})
        statuses[status] = statuses.get(status, 0) + 1
    for operation, statuses in sorted(counts.items()):
        told = " ".join(f"{status}×{count}" for status, count in sorted(statuses.items()))
        print(f"   {operation:24} {told}")
    # One of them is for who has no token yet.
    signed_in = (pair for pair in counts.items() if pair[0] != "registerDevice")
    return [operation for operation, statuses in signed_in if set(statuses) == {"401"}]


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seed", type=int)
    arguments.add_argument("--seconds", type=int, default=35)
    arguments.add_argument("--program", type=Path, default=ROOT / "target/debug/tombolo")
    arguments = arguments.parse_args()
    try:
        import schemathesis  # noqa: F401
    except ImportError:
        return SKIPPED
    if arguments.seed is None:
        # Each on a provider of its own, so that its seed alone repeats it.
        fresh = random.SystemRandom().randrange(2**31)
        again = [sys.executable, __file__, "--seconds", str(arguments.seconds)]
        again += ["--program", str(arguments.program), "--seed"]
        return max(subprocess.run([*again, str(seed)]).returncode for seed in (FIXED_SEED, fresh))
    seeds = [arguments.seed]
    with tempfile.TemporaryDirectory() as home:
        provider = Provider(arguments.program.resolve(), Path(home) / DOMAIN)
        try:
            token = provider.add("alice", "phone")
            provider.add("bob", "phone")
            room = provider.room()
            setting = {
                "domain": DOMAIN,
                "token": token,
                "password": PASSWORD,
                "client": f"mimi://{DOMAIN}/d/alice/phone",
                "reached": str(Path(home) / "reached"),
                "known": {
                    "user": [f"mimi://{DOMAIN}/u/{name}" for name in ("alice", "bob", "nobody")],
                    "domain": [DOMAIN],
                    "hub": [DOMAIN],
                    "room": [room, f"mimi://{DOMAIN}/r/clubhouse"],
                    "client": [f"mimi://{DOMAIN}/d/bob/phone", f"mimi://{DOMAIN}/d/alice/tablet"],
                },
            }
            outcomes = []
            for seed in seeds:
                print(f"== seed {seed}: fuzz/client_api/run.py --seed {seed}", flush=True)
                outcomes.append(hammer(provider, setting, token, seed, arguments.seconds))
            unreached = table_of(Path(home) / "reached")
            alive = provider.request("GET", "/devices", token=token)
        finally:
            provider.process.poll() is None and provider.stop()
            said = provider.said()
            shutil.copy(provider.log.name, ROOT / "target" / "client-api-fuzz.log")
    panics = [line for line in said.splitlines() if "panick" in line]
    faults = [line for line in said.splitlines() if '"level":"ERROR"' in line]
    for line in (panics + faults)[:20]:
        print(f"the provider says: {line}")
    if alive is None or "devices" not in alive:
        print(f"the provider does not answer any more: {alive}")
    for operation in unreached:
        print(f"{operation} was never reached: every request was refused by its token")
    failed = any(outcomes) or unreached or panics or faults or alive is None or "devices" not in alive
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
