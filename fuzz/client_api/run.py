#!/usr/bin/env python3
"""Hammers the client API of a provider that runs, by the document that it serves.

Starts `tombolo serve` on a fresh data directory, with users, devices and a room, and lets the stock
fuzzer schemathesis send it what the document allows and what it does not. Fails on any 5xx, on
any answer that is not as documented, on a panic, and on a provider that does not stop as it should.

    fuzz/client_api/run.py [--seed N] [--seconds N] [--program target/debug/tombolo]

Without --seed it runs a fixed one and then a fresh one, which is printed.

So that more is reached than the decoders, real devices prepare requests (the example
`record_bodies` of tombolo-client), which the fuzzer sends as one of these devices: each as it is, and
then damaged. Every operation that was sent one has to have carried it out. Limits on how often something
may be asked are raised as far as they go, or the run would meet nothing else.

How much is sent depends on how fast the machine is; what passes does not.
"""

import argparse
import base64
import json
import os
import random
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
# Another provider, which never answers.
DOWN = "b.example"
# Not the one of the document's examples, which would delete the account.
PASSWORD = "incorrect mule"
FIXED_SEED = 20261128
# What a run may take beyond what it is given, for its start and its last request.
SECONDS_MORE_MAX = 60
# What is not to be reached by the fuzzer, and why.
UNREACHED = {
    "deleteAccount": "would end the run; it is done when that is over",
    "relayOblivious": "takes octets sealed for one key, which have tests of their own",
}
# Every limit of the kind "how often", by its table in the configuration.
LIMITS_RAISED = {
    "identifier_query": {"per_user": "1000000 + 1000/s"},
    "contact": {
        "requests_per_requester": "1000000 + 1000/s",
        "requests_per_pair": "1000000 + 1000/s",
        "key_material_per_requester": "1000000 + 1000/s",
        "releases_per_request": "1000000 + 1000/s",
    },
    "limits.connections": {
        "per_device_max": 1_000,
        "unproven_per_network_max": 1_000,
        "openings_per_network_max": 1_000_000,
    },
    "limits.requests": {"device_burst_max": 10_000_000, "unproven_burst_max": 10_000_000},
    "limits.sign_in": {"wrong_per_user_max": 1_000_000, "wrong_per_network_max": 1_000_000},
    "limits.accounts": {"devices_per_user_max": 1_000, "key_packages_per_device_max": 100_000},
    "limits.rooms": {"foundings_per_user_max": 1_000_000},
}
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
    """A provider of a development CA that knows one other provider, where nobody listens."""

    def __init__(self, program, home):
        self.program, self.home = program, home
        federation, self.port, admin, nobody = free_ports(4)
        self.run(
            "init", DOMAIN, "--dir", home, "--unknown-peers", "block", "--log-format", "json",
            "--federation-port", str(federation), "--client-port", str(self.port),
            "--admin-port", str(admin),
        )
        self.config = home / "tombolo.toml"
        configured = self.config.read_text()
        for table, keys in LIMITS_RAISED.items():
            lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
            assert f"\n[{table}]\n" in configured, f"no table {table}"
            configured = configured.replace(f"\n[{table}]\n", f"\n[{table}]\n{lines}")
        configured += f'\n[peers."{DOWN}"]\naddress = "127.0.0.1:{nobody}"\npolicy = "allow"\n'
        self.config.write_text(configured)
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

    def request(self, method, path, body=None, token=None, headers=()):
        """The JSON of an answer; None when there is none."""
        try:
            raw = socket.create_connection(("127.0.0.1", self.port), timeout=30)
            connection = HTTPSConnection(DOMAIN, self.port, timeout=30)
            connection.sock = self.context.wrap_socket(raw, server_hostname=DOMAIN)
            headers = dict(headers) if token is None else {"Authorization": f"Bearer {token}", **dict(headers)}
            if body is not None and not isinstance(body, bytes):
                body = json.dumps(body)
            connection.request(method, f"/client/v1{path}", body, headers)
            return json.loads(connection.getresponse().read() or b"{}")
        except (OSError, json.JSONDecodeError):
            return None

    def add_user(self, user):
        self.run(
            "admin", "user", "add", "--config", self.config, user, "--password-stdin",
            input=f"{PASSWORD}\n",
        )

    def sign_in(self, user, device):
        return self.request("POST", "/register", registration(user, device))

    def upload(self, token, octets, of):
        """An upload of so many octets, of which some are here."""
        begun = self.request("POST", "/assets", {"octets": of}, token)
        if octets:
            headers = {"Upload-Offset": "0", "Content-Type": "application/octet-stream"}
            self.request("PATCH", f"/assets/{begun['id']}", octets, token, headers)
        return begun

    def recorded(self, recorder):
        """What devices of alice and bob have sent and would send; whose token it is, and the room."""
        address = f"127.0.0.1:{self.port}"
        command = [recorder, f"https://{DOMAIN}:{self.port}", address, self.root, PASSWORD]
        told = subprocess.run(command, capture_output=True, text=True, timeout=300)
        if told.returncode != 0:
            sys.exit(f"nothing is recorded: {told.stderr}{self.said()[-3000:]}")
        *entries, last = map(json.loads, told.stdout.splitlines())
        # What was kept back first: later it would be too late for some of it.
        entries.sort(key=lambda entry: not entry["kept_back"])
        return entries, last

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


def registration(user, device):
    # The base point of Ed25519 times what nobody needs to know: only its form is looked at.
    key = base64.b64encode(KEYS.pop()).decode()
    return {"user": user, "password": PASSWORD, "device": device, "signature_key": key}


def real_requests(provider, token, room):
    """Requests without octets of MIMI that are carried out."""
    bob = f"mimi://{DOMAIN}/u/bob"
    whole = provider.upload(token, b"0123456789abcdef", 16)
    begun = [provider.upload(token, None, 16) for _ in range(6)]
    tablets = [provider.sign_in("alice", f"tablet{number}")["client"] for number in range(2)]
    own = f"mimi://{DOMAIN}/d/alice/laptop"
    part = {"Upload-Offset": "0"}
    requests = [
        *(("signOutDevice", {"path": {"client": tablet}}) for tablet in tablets),
        *(("registerDevice", {"json": registration("alice", f"pad{number}")}) for number in range(2)),
        ("renameDevice", {"path": {"client": own}, "json": {"name": "alice's laptop"}}),
        ("replacePassword", {"json": {
            "password": PASSWORD, "new_password": PASSWORD, "sign_out_others": False,
        }}),
        ("replaceToken", {"json": {"token": token}}),
        ("findDirectRoom", {"path": {"user": bob}}),
        ("listIssuers", {"path": {"domain": DOMAIN}}),
        ("listIssuers", {"path": {"domain": DOWN}}),
        ("obliviousKeys", {"path": {"hub": DOMAIN}}),
        ("proxyDownload", {"path": {"hub": DOMAIN, "url": whole["url"]}}),
        ("proxyDownload", {"path": {"hub": DOMAIN, "url": whole["url"]}, "headers": {"Range": "bytes=1-3"}}),
        *(("showUpload", {"path": {"id": one["id"]}}) for one in (whole, begun[0])),
        *(("continueUpload", {"path": {"id": one["id"]}, "headers": part, "body": "00" * 5})
          for one in begun[:3]),
        *(("deleteUpload", {"path": {"id": one["id"]}}) for one in begun[3:]),
    ]  # fmt: skip
    return [{"operation": operation, **rest} for operation, rest in requests]


def stock_fuzzer():
    """Beside the interpreter that runs this, as in a virtual environment, or on the path."""
    beside = Path(sys.executable).parent / "st"
    return beside if beside.exists() else shutil.which("st")


# Tables of characters, which take long to make; no examples.
KEPT = {"HYPOTHESIS_STORAGE_DIRECTORY": str(ROOT / "target" / "client-api-fuzz")}


def make_tables():
    """Before the time counts. On a busy machine they take more of it than everything else together."""
    tables = "from hypothesis import strategies as st; st.characters(codec='utf-8').validate()"
    subprocess.run([sys.executable, "-c", tables], env={**os.environ, **KEPT}, check=True)


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
        "--checks", "all", "--exclude-checks", "positive_data_acceptance,not_a_server_error",
        "--max-examples", "40", "--max-time", str(seconds), "--request-timeout", "20",
        "--generation-database", "none", "--no-color", "--request-retries", "1", "--warnings", "off",
        "--suppress-health-check", "all",
    ]  # fmt: skip
    environment = {
        **os.environ,
        "TOMBOLO_FUZZ_SETTING": json.dumps(setting),
        "PYTHONDONTWRITEBYTECODE": "1",
        **KEPT,
    }
    try:
        command = list(map(str, command))
        most = seconds + SECONDS_MORE_MAX
        return subprocess.run(command, cwd=provider.home, env=environment, timeout=most).returncode
    except subprocess.TimeoutExpired:
        print("the fuzzer does not end: some request is never answered")
        return 1


def table_of(reached):
    """Prints what each operation answered how often; gives what should have been reached and was not."""
    counts, tried = {}, set()
    for line in reached.read_text().splitlines():
        operation, status, sent = line.split()
        statuses = counts.setdefault(operation, {})
        statuses[status] = statuses.get(status, 0) + 1
        sent == "real" and tried.add(operation)
    for operation, statuses in sorted(counts.items()):
        classes = {}
        for status, count in statuses.items():
            classes[status[0]] = classes.get(status[0], 0) + count
        told = " ".join(f"{status}×{count}" for status, count in sorted(statuses.items()))
        summed = " ".join(f"{classes.get(one, 0):4}" for one in "245")
        print(f"   {operation:20} {summed}   {told}")
    print(f"   {'':20}  2xx  4xx  5xx")
    faults = []
    for operation, statuses in sorted(counts.items()):
        if "429" in statuses:
            faults.append(f"{operation} met a limit instead of what is behind it")
        # Without a real request: only if there was time for many.
        enough = operation in tried or sum(statuses.values()) >= 20
        if enough and operation not in UNREACHED and not CARRIED_OUT[operation] & statuses.keys():
            faults.append(f"{operation} was never carried out")
    if not any("503" in statuses for statuses in counts.values()) and "listIssuers" in tried:
        faults.append(f"nobody noticed that {DOWN} is down")
    return faults


class Successes(dict):
    """By operation: the statuses of success, with the codes in the bodies of what hubs say."""

    def __missing__(self, operation):
        return {"200", "201", "204", "206"}


CARRIED_OUT = Successes({
    "updateRoom": {"200/0"},
    "submitMessage": {"200/0"},
    "fetchKeyMaterial": {"200/0", "200/1"},
    "fetchGroupInfo": {"200/1"},
    "queryIdentifiers": {"200/0", "200/1"},
})  # fmt: skip


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seed", type=int)
    arguments.add_argument("--seconds", type=int, default=35)
    arguments.add_argument("--program", type=Path, default=ROOT / "target/debug/tombolo")
    recorder = ROOT / "target/debug/examples/record_bodies"
    arguments.add_argument("--recorder", type=Path, default=recorder)
    arguments = arguments.parse_args()
    try:
        import schemathesis  # noqa: F401
    except ImportError:
        return SKIPPED
    if arguments.seed is None:
        # Each on a provider of its own, so that its seed alone repeats it.
        fresh = random.SystemRandom().randrange(2**31)
        again = [sys.executable, __file__, "--seconds", str(arguments.seconds)]
        again += ["--program", str(arguments.program), "--recorder", str(arguments.recorder), "--seed"]
        return max(subprocess.run([*again, str(seed)]).returncode for seed in (FIXED_SEED, fresh))
    make_tables()
    with tempfile.TemporaryDirectory() as home:
        reached = Path(home) / "reached"
        provider = Provider(arguments.program.resolve(), Path(home) / DOMAIN)
        try:
            provider.add_user("alice")
            provider.add_user("bob")
            real, last = provider.recorded(arguments.recorder)
            token, room = last["token"], last["room"]
            real += real_requests(provider, token, room)
            setting = setting_of(token, room, real, reached)
            print(f"== seed {arguments.seed}: fuzz/client_api/run.py --seed {arguments.seed}", flush=True)
            failed = hammer(provider, setting, token, arguments.seed, arguments.seconds)
            faults = table_of(reached)
            answer = provider.request("GET", "/devices", token=token)
            if answer is None or "devices" not in answer:
                faults.append(f"the provider does not answer any more: {answer}")
            if provider.request("POST", "/delete-account", {"password": PASSWORD}, token) != {}:
                faults.append("the account cannot be deleted")
        finally:
            ended = provider.process.poll() is None and provider.stop()
            said = provider.said()
            shutil.copy(provider.log.name, ROOT / "target" / "client-api-fuzz.log")
    if ended != 0:
        faults.append(f"the provider ended with {ended}")
    words = ("panick", '"level":"ERROR"')
    lines = [line for line in said.splitlines() if any(word in line for word in words)]
    faults += [f"the provider says: {line}" for line in lines[:20]]
    for fault in faults:
        print(fault)
    return 1 if failed or faults else 0


def setting_of(token, room, real, reached):
    """What the hooks know."""
    users = [f"mimi://{DOMAIN}/u/{name}" for name in ("alice", "bob", "nobody")]
    return {
        "domain": DOMAIN,
        "down": DOWN,
        "token": token,
        "password": PASSWORD,
        "client": f"mimi://{DOMAIN}/d/alice/laptop",
        "reached": str(reached),
        "real": real,
        "known": {
            "user": [*users, f"mimi://{DOWN}/u/carol"],
            "domain": [DOMAIN, DOWN],
            "hub": [DOMAIN, DOWN],
            "room": [room, f"mimi://{DOMAIN}/r/clubhouse", f"mimi://{DOWN}/r/clubhouse"],
            "client": [f"mimi://{DOMAIN}/d/bob/laptop", f"mimi://{DOMAIN}/d/alice/tablet1"],
        },
    }


if __name__ == "__main__":
    sys.exit(main())
