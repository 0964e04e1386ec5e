"""What all peers have in common: certificates, names, processes."""

import os
import pathlib
import signal
import socket
import subprocess
import time

from . import machine

ADDRESSES = {"a": "127.0.0.11", "b": "127.0.0.12"}
DNS_ADDRESS = "127.0.0.153"
# In a mount namespace of its own a server sees these files in place of the machine's.
PRIVATE_NAMES = 'mount --bind "$0/hosts" /etc/hosts; mount --bind "$0/resolv.conf" /etc/resolv.conf; exec "$@"'


def domain(side):
    return f"{side}.example"


def run(*command, **options):
    """Runs a program to its end."""
    return subprocess.run(command, check=True, text=True, capture_output=True, **options).stdout


class Peer:
    """Two federated servers under one directory."""

    def __init__(self, place):
        self.place = pathlib.Path(place)
        self.processes = {}
        self.helpers = []

    def start(self):
        self.write_certificates()
        self.start_names()
        self.start_servers()

    def spawn(self, command, log, environment=None):
        """Starts a server that sees only the names of this federation."""
        private = ["unshare", "-m", "bash", "-ec", PRIVATE_NAMES, str(self.place), *command]
        return self.spawn_plain(private, log, environment)

    def spawn_plain(self, command, log, environment=None):
        with open(self.place / log, "w") as output:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )

    def pids(self):
        return {side: [process.pid] for side, process in self.processes.items()}

    def memory(self):
        """MiB by side."""
        return {
            side: round(sum(map(machine.rss_mib, pids)), 1) for side, pids in self.pids().items()
        }

    def stop(self):
        for process in [*self.processes.values(), *self.helpers]:
            process.send_signal(signal.SIGTERM)
        for process in [*self.processes.values(), *self.helpers]:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes, self.helpers = {}, []

    def write_certificates(self):
        """A throw-away authority and one certificate for each server."""
        tls = self.place / "tls"
        tls.mkdir()
        authority = ["-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=peers", "-days", "30"]
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *authority, cwd=tls)
        for side in ADDRESSES:
            name = domain(side)
            (tls / f"{side}.ext").write_text(
                f"subjectAltName=DNS:{name},DNS:conference.{name}\n"
                "extendedKeyUsage=serverAuth,clientAuth\n"
            )
            asked = ["-keyout", f"{side}.key", "-out", f"{side}.csr", "-subj", f"/CN={name}"]
            run("openssl", "req", "-newkey", "rsa:2048", "-nodes", *asked, cwd=tls)
            issued = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30"]
            issued += ["-extfile", f"{side}.ext", "-in", f"{side}.csr", "-out", f"{side}.crt"]
            run("openssl", "x509", "-req", *issued, cwd=tls)
            chain = (tls / f"{side}.crt").read_text() + (tls / f"{side}.key").read_text()
            (tls / f"{side}.pem").write_text(chain)

    def start_names(self):
        """A DNS server that knows nothing but the federation."""
        lines = ["127.0.0.1 localhost"]
        records = []
        for side, address in ADDRESSES.items():
            name = domain(side)
            lines.append(f"{address} {name} conference.{name}")
            for host in [name, f"conference.{name}"]:
                records.append(f"--host-record={host},{address}")
                records.append(f"--srv-host=_xmpp-server._tcp.{host},{name},5269")
        (self.place / "hosts").write_text("\n".join(lines) + "\n")
        (self.place / "resolv.conf").write_text(f"nameserver {DNS_ADDRESS}\n")
        fixed = ["--keep-in-foreground", "--no-resolv", "--no-hosts", "--conf-file=/dev/null"]
        fixed += [f"--listen-address={DNS_ADDRESS}", "--bind-interfaces", "--local=/example/"]
        fixed += ["--user=root", "--pid-file="]
        self.helpers.append(self.spawn_plain(["dnsmasq", *fixed, *records], "dns.log"))


def wait_for_port(port, process_of_side, seconds=60):
    """Waits until both servers listen."""
    deadline = time.monotonic() + seconds
    for side, address in ADDRESSES.items():
        while True:
            try:
                socket.create_connection((address, port), timeout=1).close()
                break
            except OSError:
                ended = process_of_side[side].poll()
                if ended is not None or time.monotonic() > deadline:
                    raise SystemExit(f"the server {side} does not listen at {address}:{port}")
                time.sleep(0.2)
