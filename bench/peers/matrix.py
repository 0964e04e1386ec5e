"""Load on two Matrix homeservers: users of A write into a room of A, users of B receive by /sync."""

import asyncio
import json
import re
import sys
import time

import aiohttp
import uvloop

from . import machine
from .servers import ADDRESSES
from .xmpp import BODY_OCTETS, DRAIN_SECONDS, percentile_ms

API = "/_matrix/client/v3"
BODY = re.compile(rb'"body":"S(\d{8}) T(\d{15})')
NEXT = re.compile(rb'"next_batch":"([^"]+)"')


class Load:
    """Writers, receivers and what has come."""

    def __init__(self, order, session):
        self.order, self.session = order, session
        self.receivers = order["receivers"]
        self.sent = self.refused = self.delivered = self.duplicated = 0
        self.seen, self.latencies_us, self.last = set(), [], 0.0
        self.stopped = False

    async def ask(self, method, side, path, token=None, **body):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = f"http://{ADDRESSES[side]}:8008{path}"
        async with self.session.request(method, url, json=body, headers=headers) as answer:
            octets = await answer.read()
            if answer.status != 200:
                raise RuntimeError(f"{method} {path}: {answer.status} {octets[:300]}")
            return json.loads(octets)

    async def user(self, side, name):
        try:
            who = {"type": "m.id.user", "user": name}
            login = {"type": "m.login.password", "identifier": who, "password": "pw"}
            answer = await self.ask("POST", side, f"{API}/login", **login)
        except RuntimeError:
            account = {"username": name, "password": "pw", "auth": {"type": "m.login.dummy"}}
            answer = await self.ask("POST", side, f"{API}/register", **account)
        return answer["access_token"]

    async def set_the_scene(self):
        self.writers = [await self.user("a", f"s{n}") for n in range(self.order["senders"])]
        readers = [await self.user("b", f"u{n}") for n in range(self.receivers)]
        room = {"preset": "public_chat", "name": "bench"}
        created = await self.ask("POST", "a", f"{API}/createRoom", self.writers[0], **room)
        self.room = created["room_id"]
        for token in self.writers[1:]:
            await self.ask("POST", "a", f"{API}/join/{self.room}", token)
        hub = f"{self.room.split(':', 1)[1]}"
        for token in readers:
            await self.ask("POST", "b", f"{API}/join/{self.room}?server_name={hub}&via={hub}", token)
        ready = [asyncio.Event() for _ in readers]
        self.tasks = [
            asyncio.create_task(self.follow(number, token, ready[number]))
            for number, token in enumerate(readers)
        ]
        await asyncio.gather(*(event.wait() for event in ready))
        await asyncio.sleep(2 if self.receivers < 10 else 10)

    async def follow(self, number, token, ready):
        only = {"rooms": [self.room], "timeline": {"limit": 1000}, "ephemeral": {"types": []}}
        quiet = {"types": []}
        wanted = json.dumps({"room": only, "presence": quiet, "account_data": quiet})
        url = f"http://{ADDRESSES['b']}:8008{API}/sync"
        since = None
        while not self.stopped:
            query = {"filter": wanted, "timeout": "10000" if since else "0", "set_presence": "offline"}
            if since:
                query["since"] = since
            headers = {"Authorization": f"Bearer {token}"}
            async with self.session.get(url, params=query, headers=headers) as answer:
                octets = await answer.read()
            if answer.status != 200:
                await asyncio.sleep(0.2)
                continue
            first, since = since is None, NEXT.search(octets)[1].decode()
            ready.set()
            if not first:
                self.take(octets, witness=number == self.receivers - 1)

    def take(self, octets, witness):
        now_us = time.monotonic_ns() // 1000
        found = list(BODY.finditer(octets))
        for match in found if witness else []:
            number = int(match[1])
            self.duplicated += number in self.seen
            if number not in self.seen:
                self.seen.add(number)
                self.delivered += 1
                self.latencies_us.append((number, now_us - int(match[2])))
        if not witness:
            self.delivered += len(found)
        if found:
            self.last = now_us / 1_000_000

    async def write(self, number, due_at):
        token = self.writers[number % len(self.writers)]
        body = f"S{number:08} T{int(due_at * 1_000_000):015} ".ljust(BODY_OCTETS, "x")
        path = f"{API}/rooms/{self.room}/send/m.room.message/t{time.time_ns()}x{number}"
        try:
            await self.ask("PUT", "a", path, token, msgtype="m.text", body=body)
        except (RuntimeError, aiohttp.ClientError, TimeoutError):
            self.refused += 1

    async def run(self, duration):
        begun, sent, delivered = time.monotonic(), self.sent, self.delivered
        if "rate" in self.order:
            await self.at_rate(begun, duration)
        else:
            workers = (self.as_fast_as_taken(begun, duration) for _ in range(self.order["at_once"]))
            await asyncio.gather(*workers)
        late = time.monotonic() + DRAIN_SECONDS
        while self.delivered < self.due() and time.monotonic() < late:
            await asyncio.sleep(0.05)
        return begun, self.sent - sent, self.delivered - delivered

    def due(self):
        return (self.sent - self.refused) * self.receivers

    async def at_rate(self, begun, duration):
        tasks, rate = [], self.order["rate"]
        while len(tasks) / rate < duration:
            due_at = begun + len(tasks) / rate
            await asyncio.sleep(max(0, due_at - time.monotonic()))
            tasks.append(asyncio.create_task(self.write(self.sent, due_at)))
            self.sent += 1
        await asyncio.gather(*tasks)

    async def as_fast_as_taken(self, begun, duration):
        while time.monotonic() - begun < duration:
            if self.sent - self.delivered // self.receivers >= self.order["window"]:
                await asyncio.sleep(0.002)
                continue
            number = self.sent
            self.sent += 1
            await self.write(number, time.monotonic())


async def main(order):
    timeout = aiohttp.ClientTimeout(total=120)
    connections = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connections, timeout=timeout) as session:
        load = Load(order, session)
        await load.set_the_scene()
        await load.run(order["warm_up"])
        first = load.sent
        clocks = machine.Clocks(order["pids"])
        begun, sent, delivered = await load.run(order["duration"])
        seconds = load.last - begun
        latencies = sorted(us for number, us in load.latencies_us if number >= first)
        result = {
            "sent": sent,
            "delivered": delivered,
            "lost": max(0, load.due() - load.delivered),
            "duplicated": load.duplicated,
            # Each has its place in a graph, not in an order.
            "reordered": None,
            "messages_per_second": round(sent / seconds, 1),
            "deliveries_per_second": round(delivered / seconds, 1),
            "p50_ms": percentile_ms(latencies, 500),
            "p99_ms": percentile_ms(latencies, 990),
            **clocks.cores(),
            "rss_mib": {
                side: round(sum(map(machine.rss_mib, pids)), 1)
                for side, pids in order["pids"].items()
            },
            "durable": order["durable"],
            "seconds": round(seconds, 3),
        }
        print(json.dumps(result), flush=True)
        load.stopped = True
        for task in load.tasks:
            task.cancel()


if __name__ == "__main__":
    uvloop.run(main(json.loads(sys.argv[1])))
