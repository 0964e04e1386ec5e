"""From results to one table: medians, ratios, and how far to trust them."""

import statistics

from .machine import DISTURBED_CORES

# What is compared: scenario, field, side of it, how it reads, and whether more is better.
ROWS = [
    ("one-to-one", "messages_per_second", None, "1 writer, 1 receiver: messages/s", True),
    ("one-to-one", "per_core", None, "1 writer: messages per second and core of the servers", True),
    ("one-to-one-4", "messages_per_second", None, "4 writers, 1 receiver: messages/s", True),
    ("fan-out-100", "deliveries_per_second", None, "100 receivers: deliveries/s", True),
    ("fan-out-100", "per_core", None, "100 receivers: deliveries per second and core of the servers", True),
    ("latency-50", "p50_ms", None, "50 messages/s: p50, ms", False),
    ("latency-50", "p99_ms", None, "50 messages/s: p99, ms", False),
    ("idle", "rss_mib", "a", "idle memory of the hub, MiB", False),
    ("one-to-one", "rss_mib", "a", "loaded memory of the hub, MiB", False),
    ("one-to-one", "rss_mib", "b", "loaded memory of the follower, MiB", False),
    ("one-to-one", "server_cpu_cores", "a", "1 writer: cores of the hub", None),
    ("one-to-one", "server_cpu_cores", "b", "1 writer: cores of the follower", None),
    ("one-to-one", "client_cpu_cores", None, "1 writer: cores of the load generator", None),
    ("fan-out-100", "server_cpu_cores", "b", "100 receivers: cores of the follower", None),
    ("fan-out-100", "client_cpu_cores", None, "100 receivers: cores of the load generator", None),
]


def markdown(results):
    """The table of one run of `bench/run`."""
    head = next(result for result in results if result["label"] == "machine")
    measured = [result for result in results if result["label"] != "machine"]
    systems = list(dict.fromkeys(result["system"] for result in measured))
    lines = [
        f"{head['cores']} cores ({head['processor']}), {head['memory_gib']} GiB, Linux "
        f"{head['kernel']}; 4 KiB written and synced in {head['fdatasync_ms']} ms. Medians of "
        f"{1 + max(result['round'] for result in measured)} runs.",
        "",
        "| | " + " | ".join(systems) + " | Tombolo to the best that keeps | to the best that does not |",
        "|---" * (len(systems) + 3) + "|",
        "| version | " + " | ".join(head["versions"][system] for system in systems) + " | | |",
        "| keeps what it accepted | " + " | ".join(durable(measured, system) for system in systems) + " | | |",
    ]
    for scenario, field, side, name, more_is_better in ROWS:
        values = {}
        for system in systems:
            of_system = undisturbed(measured, system, scenario)
            values[system] = median(of_system, field, side)
        if any(value is not None for value in values.values()):
            ratios = [ratio(values, measured, kept, more_is_better) for kept in (True, False)]
            cells = [shown(values[system]) for system in systems] + ratios
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    for what in ("lost", "duplicated", "reordered"):
        counts = [str(total(measured, system, what)) for system in systems]
        lines.append(f"| {what} | " + " | ".join(counts) + " | | |")
    counts = [disturbed(measured, system) for system in systems]
    lines.append("| disturbed runs | " + " | ".join(counts) + " | | |")
    lines += ["", f"A run is disturbed if others used more than {DISTURBED_CORES} cores; where at least "
              "half of the runs were not, only those are in the medians."]
    return "\n".join(lines)


def of(measured, system, scenario):
    return [it for it in measured if it["system"] == system and it["label"] == scenario]


def undisturbed(measured, system, scenario):
    runs = of(measured, system, scenario)
    quiet = [run for run in runs if (run.get("other_cpu_cores") or 0) <= DISTURBED_CORES]
    return quiet if 2 * len(quiet) >= len(runs) else runs


def per_core(run):
    """Deliveries for each second of the servers' processor time: hardly changed by who else works."""
    cores = sum(run["server_cpu_cores"].values())
    return run["deliveries_per_second"] / cores if cores else None


def median(runs, field, side):
    values = [per_core(run) if field == "per_core" else run.get(field) for run in runs]
    values = [value[side] if side and value else value for value in values]
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def ratio(values, measured, kept, more_is_better):
    """Tombolo's value by the best of the peers that keep messages, or of those that do not."""
    own = values.get("tombolo")
    peers = [
        value
        for system, value in values.items()
        if system != "tombolo" and value and (durable(measured, system) == "yes") == kept
    ]
    if more_is_better is None or not own or not peers:
        return ""
    best = max(peers) if more_is_better else min(peers)
    return f"{own / best:.2f}"


def durable(measured, system):
    kept = [run["durable"] for run in measured if run["system"] == system and "durable" in run]
    return "yes" if kept and all(kept) else "no"


def total(measured, system, what):
    return sum(run.get(what) or 0 for run in measured if run["system"] == system)


def disturbed(measured, system):
    runs = [run for run in measured if run["system"] == system and "other_cpu_cores" in run]
    counted = [run for run in runs if (run["other_cpu_cores"] or 0) > DISTURBED_CORES]
    return f"{len(counted)} of {len(runs)}"


def shown(value):
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def short(result):
    names = ["messages_per_second", "deliveries_per_second", "p50_ms", "p99_ms", "lost"]
    names += ["server_cpu_cores", "client_cpu_cores", "other_cpu_cores"]
    return {name: result.get(name) for name in names}
