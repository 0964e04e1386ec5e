"""Synapse on PostgreSQL: two homeservers, one database server.

Python with Synapse, psycopg2, aiohttp and uvloop is looked for in a virtual environment beside this file
(`bench/synapse-venv`), PostgreSQL's programs in Debian's directory or the path.
"""

import glob
import json
import pathlib
import shutil
import subprocess
import sys
import time

from . import machine
from .servers import ADDRESSES, Peer, domain, run, wait_for_port

PYTHON = pathlib.Path(__file__).resolve().parent.parent / "synapse-venv" / "bin" / "python"
# Synapse is slower by so much that it is offered less: as many requests at once, and this rate.
SCENARIOS = {
    "one-to-one": {"senders": 1, "receivers": 1, "window": 50, "at_once": 8},
    "one-to-one-4": {"senders": 4, "receivers": 1, "window": 50, "at_once": 8},
    "latency-50": {"senders": 1, "receivers": 1, "rate": 5},
    "fan-out-100": {"senders": 1, "receivers": 100, "window": 20, "at_once": 4},
}

CONFIGURATION = """\
server_name: "{domain}:8448"
pid_file: {place}/{side}/hs.pid
listeners:
  - {{port: 8448, tls: true, type: http, bind_addresses: ['{address}'], resources: [{{names: [federation, keys]}}]}}
  - {{port: 8008, tls: false, type: http, bind_addresses: ['{address}'], resources: [{{names: [client]}}]}}
tls_certificate_path: {place}/tls/{side}.crt
tls_private_key_path: {place}/tls/{side}.key
federation_custom_ca_list: [{place}/tls/ca.pem]
federation_verify_certificates: true
ip_range_blacklist: []
federation_ip_range_blacklist: []
database: {{name: psycopg2, args: {{user: postgres, database: syn_{side}, host: {place}/sock, cp_min: 5, cp_max: 10}}}}
log_config: {place}/{side}/log.yaml
media_store_path: {place}/{side}/media
signing_key_path: {place}/{side}/signing.key
trusted_key_servers: []
report_stats: false
macaroon_secret_key: peers-macaroon
form_secret: peers-form
registration_shared_secret: peers-secret
enable_registration: true
enable_registration_without_verification: true
suppress_key_server_warning: true
bcrypt_rounds: 4
presence: {{enabled: false}}
filter_timeline_limit: 5000
rc_message: {{per_second: 1000000, burst_count: 1000000}}
rc_registration: {{per_second: 1000000, burst_count: 1000000}}
rc_login: {{address: {unlimited}, account: {unlimited}, failed_attempts: {unlimited}}}
rc_joins: {{local: {unlimited}, remote: {unlimited}}}
rc_joins_per_room: {unlimited}
rc_federation: {{window_size: 1000, sleep_limit: 100000, sleep_delay: 1, reject_limit: 100000, concurrent: 3}}
"""
UNLIMITED = "{per_second: 100000, burst_count: 100000}"
LOG = """\
version: 1
formatters: {{f: {{format: '%(asctime)s %(levelname)s %(name)s %(message)s'}}}}
handlers: {{file: {{class: logging.FileHandler, filename: {file}, formatter: f}}}}
root: {{level: WARNING, handlers: [file]}}
disable_existing_loggers: false
"""


class Synapse(Peer):
    """Two Synapses."""

    def is_installed(self):
        return PYTHON.exists() and postgres("initdb") is not None

    def version(self):
        asked = "import importlib.metadata as m; print(m.version('matrix-synapse'))"
        return run(str(PYTHON), "-c", asked).strip()

    def start_servers(self):
        self.start_database()
        for side, address in ADDRESSES.items():
            home = self.place / side
            home.mkdir()
            (home / "log.yaml").write_text(LOG.format(file=home / "hs.log"))
            file = home / "hs.yaml"
            names = dict(place=self.place, side=side, domain=domain(side), address=address)
            file.write_text(CONFIGURATION.format(**names, unlimited=UNLIMITED))
            program = [str(PYTHON), "-m", "synapse.app.homeserver", "-c", str(file)]
            run(*program, "--generate-keys")
            self.processes[side] = self.spawn(program, f"out-{side}.log")
        wait_for_port(8008, self.processes, seconds=120)

    def start_database(self):
        data, sock = self.place / "data", self.place / "sock"
        self.place.chmod(0o755)
        for directory in (data, sock):
            directory.mkdir()
            shutil.chown(directory, "postgres")
        as_postgres = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
        fresh = ["-D", str(data), "-E", "UTF8", "--locale=C", "-A", "trust"]
        run(*as_postgres, postgres("initdb"), *fresh)
        serve = [postgres("postgres"), "-D", str(data), "-k", str(sock), "-c", "listen_addresses="]
        self.database = self.spawn_plain([*as_postgres, *serve], "postgres.log")
        self.helpers.append(self.database)
        for side in ADDRESSES:
            create = ["psql", "-h", str(sock), "-U", "postgres", "-qc", f"create database syn_{side}"]
            for _ in range(50):
                if subprocess.run(create, capture_output=True).returncode == 0:
                    break
                time.sleep(0.2)

    def pids(self):
        """The database serves both; its work is put down to the hub."""
        pids = {side: machine.children(process.pid) for side, process in self.processes.items()}
        return {**pids, "a": pids.get("a", []) + machine.children(self.database.pid)}

    def measure(self, scenario, duration, warm_up):
        order = {**SCENARIOS[scenario], "duration": duration, "warm_up": warm_up}
        order.update(pids=self.pids(), durable=True)
        command = [str(PYTHON), "-m", "peers.matrix", json.dumps(order)]
        here = pathlib.Path(__file__).resolve().parent.parent
        done = subprocess.run(command, text=True, capture_output=True, cwd=here, timeout=600)
        if done.returncode != 0:
            sys.exit(f"{scenario}: {done.stderr.strip()}")
        return {"scenario": scenario, **json.loads(done.stdout)}


def postgres(program):
    """A program of PostgreSQL, the newest there is."""
    found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{program}"))
    return found[-1] if found else shutil.which(program)
