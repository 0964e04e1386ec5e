"""What this machine is, and what processes use of it."""

import os
import platform
import re
import time

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
# Cores in use by others above which a measurement counts as disturbed.
DISTURBED_CORES = 0.2
QUIET_CORES = 0.25


def cpu_s(pid):
    """Processor seconds of a process so far."""
    with open(f"/proc/{pid}/stat") as stat:
        columns = stat.read().rsplit(")", 1)[1].split()
    return (int(columns[11]) + int(columns[12])) / TICKS_PER_SECOND


def machine_cpu_s():
    """Processor seconds of the whole machine so far."""
    with open("/proc/stat") as stat:
        columns = [int(column) for column in stat.readline().split()[1:9]]
    return (sum(columns) - columns[3] - columns[4]) / TICKS_PER_SECOND


def rss_mib(pid):
    """Memory of a process."""
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1]) / 1024


def children(pid):
    """A process and everything it has started."""
    found = [pid]
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children") as listed:
            for child in listed.read().split():
                found += children(int(child))
    return found


def wait_until_quiet(seconds):
    """Waits for a second in which hardly anybody works, but not for ever."""
    for _ in range(seconds):
        before = machine_cpu_s()
        time.sleep(1)
        if machine_cpu_s() - before < QUIET_CORES:
            return


def write_ms():
    """The median of writing 4 KiB and having it on disk, where the servers keep their data."""
    import statistics
    import tempfile

    took = []
    with tempfile.NamedTemporaryFile() as file:
        for _ in range(100):
            begun = time.monotonic()
            os.pwrite(file.fileno(), os.urandom(4096), 0)
            os.fdatasync(file.fileno())
            took.append((time.monotonic() - begun) * 1000)
    return round(statistics.median(took), 2)


def description():
    """For the head of the table."""
    with open("/proc/cpuinfo") as cpuinfo:
        model = re.search(r"model name\s*:\s*(.+)", cpuinfo.read())
    return {
        "kernel": platform.release(),
        "cores": os.cpu_count(),
        "processor": model[1] if model else platform.machine(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "fdatasync_ms": write_ms(),
    }


class Clocks:
    """Processor time from now on: of servers by side, of us, of everybody else."""

    def __init__(self, pids):
        self.pids = pids
        self.began = self.read()

    def read(self):
        servers = {side: sum(map(cpu_s, pids)) for side, pids in self.pids.items()}
        return time.monotonic(), servers, sum(os.times()[:2]), machine_cpu_s()

    def cores(self):
        """What was in use since then, by the names of the fixed form."""
        (then, servers_then, us_then, all_then), now = self.began, self.read()
        wall = now[0] - then
        servers = {side: round((now[1][side] - servers_then[side]) / wall, 3) for side in self.pids}
        client = (now[2] - us_then) / wall
        others = (now[3] - all_then) / wall - client - sum(servers.values())
        return {
            "server_cpu_cores": servers,
            "client_cpu_cores": round(client, 3),
            "other_cpu_cores": round(max(others, 0), 3),
        }
