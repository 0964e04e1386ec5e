"""What the stock fuzzer cannot know of this API by its document alone."""

import json
import os
import random
import re
import socket
import sys
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit, urlunsplit

import requests
import schemathesis
from hypothesis import strategies as st

SETTING = json.loads(Path(os.environ["TOMBOLO_FUZZ_SETTING"]).read_text())
VECTORS = Path(__file__).parents[2] / "vectors"

# The certificate is for the provider's domain, which no DNS knows.
_getaddrinfo = socket.getaddrinfo


def _here(host, *rest, **named):
    return _getaddrinfo("127.0.0.1" if host == SETTING["domain"] else host, *rest, **named)


socket.getaddrinfo = _here

# What arrives with the head of a request.
LARGE_OCTETS = 1024
# And of one whose path is.
LONG_URL_OCTETS = 4096

# A check may send a request of its own, past the hooks below: no stream without end leaves here.
_send = requests.adapters.HTTPAdapter.send


def _ending(self, request, *rest, **named):
    address = urlsplit(request.url)
    follow = parse_qs(address.query, keep_blank_values=True).get("follow", ["true"])
    if address.path.endswith("/events") and follow == ["true"]:
        kept = [part for part in address.query.split("&") if part and part != "follow=true"]
        request.url = urlunsplit(address._replace(query="&".join([*kept, "follow=false"])))
    try:
        return _send(self, request, *rest, **named)
    except requests.exceptions.ConnectionError as error:
        # HTTP/1.1: who is refused by its token, say, before its body was read finds the connection
        # closed, and this client, which reads nothing while it writes, does not get to the answer.
        # It asks once more, with less of a large body; twice is a failure, and each is counted.
        if isinstance(error, requests.exceptions.Timeout):
            raise
        large = isinstance(request.body, bytes) and len(request.body) > LARGE_OCTETS
        if large:
            request.body = request.body[:LARGE_OCTETS]
            request.headers["Content-Length"] = str(LARGE_OCTETS)
        # So it is with a path that is too long: 431, while it is still being written.
        if len(request.url) > LONG_URL_OCTETS:
            large = True
            request.url = request.url[:LONG_URL_OCTETS].rsplit("%", 1)[0]
        with open(SETTING["reached"], "a") as file:
            file.write(f"(closed) {'413' if large else '000'} made\n")
        print(f"closed: {request.method} {request.url}: {error}", file=sys.stderr)
        return _send(self, request, *rest, **named)


requests.adapters.HTTPAdapter.send = _ending



@schemathesis.hook
def before_load_schema(context, raw_schema):
    """The fuzzer looks for strings of exactly the greatest length. Of a pattern that repeats groups,
    as those of URIs and domains do, it tries for minutes, and no time limit interrupts it: it is not told that
    length. `known` has URIs of it."""
    for schema in _schemas(raw_schema):
        if re.search(r"\)[*+]", str(schema.get("pattern"))):
            schema.pop("maxLength", None)


def _schemas(value):
    if isinstance(value, dict):
        yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inner:
        yield from _schemas(one)


# Which octets each operation takes; those of the others are tried there as well.
KINDS = {
    "fetchKeyMaterial": "key-material-request",
    "updateRoom": "update-request",
    "submitMessage": "submit-message-request",
    "fetchGroupInfo": "group-info-request",
    "reportAbuse": "abuse-report",
    "queryIdentifiers": "identifier-request",
    "uploadKeyPackages": "key-package-list",
    "foundRoom": "room-founding",
    "sayConsent": "consent",
}


def _corpus():
    by_kind = {}
    vectors = json.loads((VECTORS / "protocol.json").read_text())["vectors"]
    for vector in (vector for vector in vectors if "hex" in vector):
        by_kind.setdefault(vector["kind"], []).append(bytes.fromhex(vector["hex"]))
    missing = set(KINDS.values()) - set(by_kind)
    assert not missing, f"no vectors of {missing}"
    return by_kind


CORPUS = _corpus()
EVERYTHING = sorted({octets for kind in KINDS.values() for octets in CORPUS[kind]})


def _damaged(octets, dice):
    """One thing about a sound body is wrong."""
    octets = bytearray(octets)
    match dice.randrange(4):
        case 0 if octets:
            octets[dice.randrange(len(octets))] ^= 1 << dice.randrange(8)
        case 1:
            del octets[dice.randrange(len(octets) + 1) :]
        case 2:
            octets += dice.randbytes(dice.randrange(1, 9))
        case _:
            start = dice.randrange(len(octets) + 1)
            octets[start : start + dice.randrange(9)] = dice.randbytes(dice.randrange(9))
    return bytes(octets)


def _body(kind):
    own = CORPUS[kind]

    def chosen(pair):
        octets, seed = pair
        dice = random.Random(seed)
        return octets if dice.random() < 0.3 else _damaged(octets, dice)

    known = st.tuples(st.sampled_from(own + EVERYTHING), st.integers(0, 2**32))
    return st.one_of(st.binary(max_size=400), known.map(chosen), known.map(chosen))


schemathesis.openapi.media_type("application/octet-stream", st.binary(max_size=400))
schemathesis.openapi.media_type("message/ohttp-req", st.binary(max_size=400))


@schemathesis.serializer("message/ohttp-req")
def _octets(context, value):
    return {"data": bytes(value) if isinstance(value, (bytes, bytearray)) else str(value).encode()}


# What real devices would send next, by operation: first as it is, so that it is carried out, then
# also damaged.
REAL = {}
for _entry in SETTING["real"]:
    REAL.setdefault(_entry["operation"], []).append(_entry)
WAITING = {operation: list(entries) for operation, entries in REAL.items()}


@schemathesis.hook
def before_generate_body(context, strategy):
    """Bodies of MIMI: sound ones from the vectors, damaged ones, and noise."""
    kind = KINDS.get(context.operation.definition.raw.get("operationId"))
    return strategy if kind is None else _body(kind)


def _id(case):
    return case.operation.definition.raw.get("operationId")


def _fill(case, entry, dice):
    """Makes a request of a recorded one; `dice` damages its octets."""
    path = {name: quote(value, safe="") for name, value in entry.get("path", {}).items()}
    case.path_parameters = {**(case.path_parameters or {}), **path}
    case.headers = {**dict(case.headers or {}), **entry.get("headers", {})}
    if "json" in entry:
        case.body = entry["json"]
    elif "body" in entry:
        octets = bytes.fromhex(entry["body"])
        case.body = _damaged(octets, dice) if dice else octets
    # As valid as what it replaces; held against the schema again, escaped paths would not be.
    case._record_starting_state()


def _real(case):
    """In place of what is sound by its schema: what is sound by its meaning. Whether it was, and nothing
    about it is damaged."""
    operation = _id(case)
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return False
    if WAITING.get(operation):
        _fill(case, WAITING[operation].pop(0), None)
        return True
    dice = random.Random(repr((case.path_parameters, case.body)))
    if operation in REAL and dice.random() < 0.6:
        _fill(case, dice.choice(REAL[operation]), dice)
    elif dice.random() < 0.5:
        # What the path names is there, at least.
        known = SETTING["known"].items()
        path = {name: dice.choice(of) for name, of in known if name in (case.path_parameters or {})}
        _fill(case, {"path": path}, None)
    return False


def _without_end(case):
    """What would end the run: a stream that goes on for ever, which is for tests of its own, a new
    token, which only the provider would know of, and signing out the device that asks."""
    match _id(case):
        case "streamEvents":
            query = dict(case.query or {})
            follow = query.get("follow", True)
            if str(follow).lower() == "true":
                case.query = {**query, "follow": "false"}
            elif follow is not False and not (isinstance(follow, (str, int, float)) and str(follow)):
                # Lists and nothings, of which some would be written as no parameter at all.
                case.query = {**query, "follow": "neither"}
        case "replaceToken" if isinstance(case.body, dict) and len(case.body) == 1:
            if re.fullmatch("[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]", str(case.body.get("token"))):
                case.body = {"token": SETTING["token"]}
        case "signOutDevice":
            client = str((case.path_parameters or {}).get("client"))
            if unquote(unquote(client)) == SETTING["client"]:
                case.path_parameters["client"] = f"{client}-not"


@schemathesis.hook
def before_call(context, case, kwargs):
    """Requests that reach something, and none that would end the run."""
    is_real = _real(case)
    _without_end(case)
    SENT[case.id] = is_real
    Path(SETTING["asked"]).write_text(_id(case))


# Whether a case is a recorded request as it is.
SENT = {}


def _told(operation, response):
    """What a hub says in a body, as a number: the status is 200 whatever that is."""
    octets = response.content
    if response.status_code != 200:
        return ""
    match operation:
        case "updateRoom" | "queryIdentifiers":
            return f"/{octets[0]}"
        case "submitMessage" | "fetchKeyMaterial":
            return f"/{octets[1]}"
        case "fetchGroupInfo":
            # Behind the protocol and the room, whose length is in one octet or two.
            length, start = octets[1], 2
            if length >= 0x40:
                length, start = (length & 0x3F) << 8 | octets[2], 3
            return f"/{octets[start + length]}"
    return ""


@schemathesis.hook
def after_call(context, case, response):
    """What was reached is counted, so that a run that reaches nothing does not pass."""
    operation = _id(case)
    Path(SETTING["asked"]).write_text("")
    sent = "real" if SENT.pop(case.id, False) else "made"
    with open(SETTING["reached"], "a") as file:
        file.write(f"{operation} {response.status_code}{_told(operation, response)} {sent}\n")


@schemathesis.check
def nothing_fails(ctx, response, case):
    """No 5xx but the one that is no fault of this provider: another that does not answer."""
    if response.status_code >= 500:
        assert response.status_code == 503, f"{response.status_code}: {response.text}"
        asked = unquote(unquote(response.request.url))
        assert SETTING["down"] in asked, f"nobody is down: {response.text}"


@schemathesis.check
def refusals_say_when(ctx, response, case):
    """RFC 9110 section 10.2.3: whoever is to come back is told when."""
    if response.status_code in (429, 503):
        [seconds] = response.headers.get("retry-after", [""])
        assert seconds.isdigit() and int(seconds) > 0, "without Retry-After"


@schemathesis.check
def errors_are_errors(ctx, response, case):
    """Every refusal has the one form of refusals: but that of a range, of a head that is too large
    to be a request at all, and of a key that the gateway of RFC 9458 does not know."""
    if response.headers.get("content-type", [""])[0] == "application/problem+json":
        assert (_id(case), response.status_code) == ("relayOblivious", 400)
        assert response.json()["type"].startswith("https://iana.org/assignments/")
    elif response.status_code >= 400 and response.status_code not in (416, 431):
        error = response.json()["error"]
        assert error["code"] and error["message"]
