"""Load on two XMPP servers: users of A write into a room of A, users of B receive.

The same load as `tombolo bench` offers. One process with one loop: it writes stanzas made ahead and finds
messages in the raw octets, so that it is not what is measured. Logging in happens over blocking sockets.
"""

import base64
import json
import re
import select
import socket
import subprocess
import sys
import time

from . import machine
from .servers import ADDRESSES, Peer, domain

BODY_OCTETS = 256
# For what comes after the last message due.
DRAIN_SECONDS = 90
# What a scenario is: writers, receivers, messages sent and not delivered, or a rate.
SCENARIOS = {
    "one-to-one": {"senders": 1, "receivers": 1, "window": 500},
    "one-to-one-4": {"senders": 4, "receivers": 1, "window": 500},
    "latency-50": {"senders": 1, "receivers": 1, "rate": 50},
    "fan-out-100": {"senders": 1, "receivers": 100, "window": 20},
}
STREAM = (
    "<?xml version='1.0'?><stream:stream to='{to}' version='1.0' xmlns='jabber:client' "
    "xmlns:stream='http://etherx.jabber.org/streams'>"
)
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
BODY = re.compile(rb"<body>S(\d{8}) T(\d{15})")
BODY_END = b"</body>"


class XmppPeer(Peer):
    """A peer that this load fits."""

    def measure(self, scenario, duration, warm_up):
        # In a process of its own: its processor time is the client's share.
        order = {**SCENARIOS[scenario], "duration": duration, "warm_up": warm_up}
        order.update(pids=self.pids(), durable=self.archived)
        command = [sys.executable, "-m", "peers.xmpp", json.dumps(order)]
        here = __file__.rsplit("/", 2)[0]
        done = subprocess.run(command, text=True, capture_output=True, cwd=here, timeout=300)
        if done.returncode != 0:
            raise SystemExit(f"{scenario}: {done.stderr.strip()}")
        return {"scenario": scenario, **json.loads(done.stdout)}


class User:
    """A connection of one user."""

    def __init__(self, side, name):
        self.side, self.name, self.domain = side, name, domain(side)
        self.unread = b""
        self.unsent = b""
        self.tail = b""
        self.log_in()

    def log_in(self):
        self.connect()
        if not self.authenticate():
            self.register()
            self.connect()
            if not self.authenticate():
                raise SystemExit(f"{self.name}@{self.domain} cannot log in: {self.unread!r}")
        self.until(b">")
        self.open_stream()
        bind = "urn:ietf:params:xml:ns:xmpp-bind"
        self.say(f"<iq type='set' id='bind1'><bind xmlns='{bind}'><resource>x</resource></bind></iq>")
        self.until(b"</iq>")
        session = "urn:ietf:params:xml:ns:xmpp-session"
        self.say(f"<iq type='set' id='sess1'><session xmlns='{session}'/></iq>")
        self.until(b"sess1")
        self.say("<presence/>")

    def connect(self):
        self.socket = socket.create_connection((ADDRESSES[self.side], 5222))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.unread = b""
        self.open_stream()

    def open_stream(self):
        self.say(STREAM.format(to=self.domain))
        self.until(b"</stream:features>")

    def authenticate(self):
        secret = base64.b64encode(f"\0{self.name}\0pw-{self.name}".encode()).decode()
        self.say(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{secret}</auth>")
        return self.until(b"<success", b"<failure") == b"<success"

    def register(self):
        self.socket.close()
        self.connect()
        fields = f"<username>{self.name}</username><password>pw-{self.name}</password>"
        query = f"<query xmlns='jabber:iq:register'>{fields}</query>"
        self.say(f"<iq type='set' id='reg1'>{query}</iq>")
        self.until(b"reg1")
        time.sleep(0.02)
        self.socket.close()

    def join(self, room):
        muc = "<x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='0'/></x>"
        self.say(f"<presence to='{room}/{self.name}{self.side}'>{muc}</presence>")
        if self.until(b"code='110'", b'code="110"', b"<error") == b"<error":
            raise SystemExit(f"{self.name}@{self.domain} cannot join: {self.unread!r}")

    def say(self, text):
        self.socket.sendall(text.encode())

    def until(self, *wanted):
        """Reads until one of these comes; says which."""
        self.socket.settimeout(40)
        while True:
            for text in wanted:
                at = self.unread.find(text)
                if at >= 0:
                    self.unread = self.unread[at + len(text) :]
                    return text
            octets = self.socket.recv(65536)
            if not octets:
                raise SystemExit(f"{self.name}@{self.domain} was closed: {self.unread[-500:]!r}")
            self.unread += octets

    def leave(self):
        try:
            self.socket.setblocking(True)
            self.socket.settimeout(2)
            self.say("<presence type='unavailable'/></stream:stream>")
        except OSError:
            pass


class Load:
    """Writers and receivers in one room, and the loop that moves octets."""

    def __init__(self, order):
        self.window, self.rate = order.get("window"), order.get("rate")
        self.senders = [User("a", f"s{number}") for number in range(order["senders"])]
        self.receivers = [User("b", f"u{number}") for number in range(order["receivers"])]
        self.room = f"r{time.time_ns()}@conference.{domain('a')}"
        for user in self.senders + self.receivers:
            user.join(self.room)
        # It is asked for every message; of the others only how many came.
        self.witness = self.receivers[-1]
        self.epoll = select.epoll()
        self.by_descriptor = {}
        for user in self.senders + self.receivers:
            user.socket.setblocking(False)
            self.by_descriptor[user.socket.fileno()] = user
            self.epoll.register(user.socket.fileno(), select.EPOLLIN)
        self.begin = f"<message to='{self.room}' type='groupchat' id='".encode()
        self.padding = b" " + b"x" * (BODY_OCTETS - 27)
        self.sent = self.delivered = self.duplicated = self.reordered = 0
        self.seen, self.latencies_us, self.last = bytearray(), [], 0.0
        self.newest_of = {}

    def settle(self):
        """Lets what joining brings pass by."""
        until = time.monotonic() + (1 if len(self.receivers) < 10 else 4)
        while time.monotonic() < until:
            self.pump(0.2)

    def run(self, duration):
        """Sends for so long and waits for the rest; how many, how often delivered, and since when."""
        begun, sent, delivered = time.monotonic(), self.sent, self.delivered
        self.at_rate(begun, duration) if self.rate else self.as_fast_as_taken(begun, duration)
        late = time.monotonic() + DRAIN_SECONDS
        due = self.sent * len(self.receivers)
        while self.delivered < due and time.monotonic() < late:
            self.pump(0.1)
        return begun, self.sent - sent, self.delivered - delivered

    def at_rate(self, begun, duration):
        first = self.sent
        while (elapsed := time.monotonic() - begun) < duration:
            due = int(elapsed * self.rate) + 1 - (self.sent - first)
            for late in range(due):
                # Counted from when it was due, not from when the loop came to it.
                due_at = begun + (self.sent - first) / self.rate
                self.send(1, due_at)
            self.pump(max(0.0005, min(0.005, (self.sent - first) / self.rate - elapsed)))

    def as_fast_as_taken(self, begun, duration):
        while time.monotonic() - begun < duration:
            room = self.window - (self.sent - self.delivered // len(self.receivers))
            if room >= max(1, self.window // 10):
                self.send(room, time.monotonic())
            self.pump(0.05)

    def send(self, count, due_at):
        due_us = int(due_at * 1_000_000)
        stanzas = {}
        for _ in range(count):
            number = self.sent
            sender = self.senders[number % len(self.senders)]
            stanza = b"%sm%08d'><body>S%08d T%015d%s</body></message>"
            stanza %= (self.begin, number, number, due_us, self.padding)
            stanzas.setdefault(sender, []).append(stanza)
            self.sent += 1
        for sender, parts in stanzas.items():
            sender.unsent += b"".join(parts)
            self.flush(sender)

    def flush(self, user):
        try:
            user.unsent = user.unsent[user.socket.send(user.unsent) :]
        except BlockingIOError:
            pass
        wanted = select.EPOLLIN | (select.EPOLLOUT if user.unsent else 0)
        self.epoll.modify(user.socket.fileno(), wanted)

    def pump(self, timeout):
        for descriptor, events in self.epoll.poll(timeout):
            user = self.by_descriptor[descriptor]
            if events & select.EPOLLOUT:
                self.flush(user)
            if events & ~select.EPOLLOUT:
                self.read(user)

    def read(self, user):
        try:
            octets = user.socket.recv(1 << 20)
        except BlockingIOError:
            return
        if not octets:
            raise SystemExit(f"{user.name}@{user.domain} was closed: {user.tail[-300:]!r}")
        octets = user.tail + octets
        if user is self.witness:
            self.take(user, octets)
            return
        came = octets.count(BODY_END)
        if user in self.receivers:
            self.delivered += came
            self.last = time.monotonic()
        end = octets.rfind(BODY_END)
        user.tail = octets[max(end + len(BODY_END) if end >= 0 else 0, len(octets) - 6) :]

    def take(self, user, octets):
        now_us = time.monotonic_ns() // 1000
        end = 0
        for match in BODY.finditer(octets):
            number, end = int(match[1]), match.end()
            if number >= len(self.seen):
                self.seen.extend(bytes(number + 100_000 - len(self.seen)))
            if self.seen[number]:
                self.duplicated += 1
                continue
            self.seen[number] = 1
            self.delivered += 1
            # Each writer's messages come in the order in which it wrote them.
            writer = number % len(self.senders)
            self.reordered += number < self.newest_of.get(writer, 0)
            self.newest_of[writer] = max(number, self.newest_of.get(writer, 0))
            self.latencies_us.append((number, now_us - int(match[2])))
        self.last = now_us / 1_000_000
        user.tail = octets[max(end, len(octets) - 40) :]


def percentile_ms(sorted_us, thousandths):
    if not sorted_us:
        return None
    index = min(len(sorted_us) * thousandths // 1000, len(sorted_us) - 1)
    return round(sorted_us[index] / 1000, 3)


def main(order):
    load = Load(order)
    load.settle()
    load.run(order["warm_up"])
    first = load.sent
    clocks = machine.Clocks(order["pids"])
    begun, sent, delivered = load.run(order["duration"])
    seconds = load.last - begun
    cores = clocks.cores()
    latencies = sorted(us for number, us in load.latencies_us if number >= first)
    result = {
        "sent": sent,
        "delivered": delivered,
        "lost": sent * len(load.receivers) - delivered,
        "duplicated": load.duplicated,
        "reordered": load.reordered,
        "messages_per_second": round(sent / seconds, 1),
        "deliveries_per_second": round(delivered / seconds, 1),
        "p50_ms": percentile_ms(latencies, 500),
        "p99_ms": percentile_ms(latencies, 990),
        **cores,
        "rss_mib": {
            side: round(sum(map(machine.rss_mib, pids)), 1) for side, pids in order["pids"].items()
        },
        "durable": order["durable"],
        "seconds": round(seconds, 3),
    }
    print(json.dumps(result), flush=True)
    for user in load.senders + load.receivers:
        user.leave()
    time.sleep(0.5)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
