"""Tombolo itself, by its own harness: `tombolo bench` starts and stops its providers."""

import json
import pathlib
import subprocess

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAM = REPOSITORY / "target" / "release" / "tombolo"
SCENARIOS = {
    "one-to-one": ["one-to-one"],
    "one-to-one-4": ["one-to-one", "--senders", "4"],
    "latency-50": ["latency", "--rate", "50"],
    "fan-out-100": ["fan-out", "--devices", "100"],
}


class Tombolo:
    """Always durable, with TLS, policy and franking."""

    def __init__(self, place):
        self.idle_mib = None

    def is_installed(self):
        return PROGRAM.exists()

    def version(self):
        said = subprocess.run([PROGRAM, "--version"], text=True, capture_output=True).stdout
        commit = ["git", "-C", REPOSITORY, "rev-parse", "--short", "HEAD"]
        commit = subprocess.run(commit, text=True, capture_output=True).stdout.strip()
        return f"{said.split()[-1]} ({commit})"

    def start(self):
        report = self.bench(["footprint"], 2, 1)
        self.idle_mib = report["rss_idle_mib"]

    def memory(self):
        return self.idle_mib

    def measure(self, scenario, duration, warm_up):
        return self.bench(SCENARIOS[scenario], duration, warm_up)

    def bench(self, arguments, duration, warm_up):
        times = ["--duration", str(duration), "--warm-up", str(warm_up)]
        command = [PROGRAM, "bench", *arguments, *times, "--json"]
        return json.loads(subprocess.run(command, check=True, text=True, capture_output=True).stdout)

    def stop(self):
        pass
