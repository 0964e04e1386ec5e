#!/usr/bin/env python3
"""Checks the vectors of messages in another language than they were made in.

Recomputes message IDs over a standard CBOR library, validates every valid message and status report
against the drafts' CDDL with a public CDDL validator, and holds every message, valid or not, against
`strict.py`:

    pip install -r vectors/requirements.txt
    python3 vectors/check.py

Without these libraries it checks nothing and ends with 77.
"""

import hashlib
import json
import re
import struct
import sys
from pathlib import Path

try:
    import cbor2
    from zcbor.zcbor.zcbor import DataTranslator
except ImportError as missing:
    print(f"skipped: {missing}; pip install -r vectors/requirements.txt")
    sys.exit(77)

from strict import verdict

HERE = Path(__file__).resolve().parent

# Octets beyond which the validator takes too long; how many there may be is not its business.
VALIDATED_OCTETS_MAX = 64 * 1024

# Faults in the structure, which CDDL can tell. It does not tell encodings, depths or limits.
STRUCTURAL = [
    "a map",
    "a salt of 15 octets",
    "a salt that is text",
    "a topicId that is null",
    "expires of one item",
    "replaces of 31 octets",
    "unknown cardinality",
    "a null part with content",
    "a single part without content",
    "a single part whose content is text",
    "a multi-part of one",
    "unknown partSemantics",
    "an ID of 31 octets",
    "an entry of one item",
]


def simpler(cddl):
    """The same language in the words the validator knows.

    It knows neither enumerations made of groups, nor cuts, nor sockets (which the drafts leave
    open, so that they allow nothing more), nor `null`, nor a group of one member by name.
    """
    cddl = re.sub(r";[^\n]*", "", cddl)
    cddl = re.sub(r"&\(\s*\w+: ?(\d+)\s*\)\s*\^", r"\1", cddl)
    choice = lambda match: "(" + " / ".join(
        item.split(":")[1].strip() for item in match.group(1).split(",")) + ")"
    cddl = re.sub(r"&\(([^)]*)\)", choice, cddl)
    cddl = re.sub(r"\*\s*\$\$\w+,?", "", cddl)
    cddl = re.sub(r"/\s*\$\w+", "", cddl)
    cddl = re.sub(r"\bnull\b", "nil", cddl)
    cddl = cddl.replace("* unknownExtension", "* name => value")
    return re.sub(r"unknownExtension = \([^)]*\)", "", cddl)


def schema(path, name):
    types = DataTranslator.from_cddl(
        cddl_string=simpler((HERE / path).read_text()), default_max_qty=100_000)
    return types.my_types[name]


def message_id(sender, room, octets):
    salt = cbor2.loads(octets)[0]
    uris = b"".join(struct.pack(">H", len(uri)) + uri for uri in (sender.encode(), room.encode()))
    return "01" + hashlib.sha256(uris + octets + salt).hexdigest()[:62]


def octets_of(vector):
    if "hex" in vector:
        return bytes.fromhex(vector["hex"])
    return b"".join(bytes.fromhex(piece["hex"]) * piece["times"] for piece in vector["pieces"])


def validates(grammar, octets):
    try:
        grammar.validate_str(octets)
        return True
    except Exception:  # The validator and the CBOR library have many kinds.
        return False


def disagreements(vector):
    """What another reading of the drafts says otherwise of a message."""
    if vector["kind"] != "content":
        return
    given = vector.get("given", {})
    expected = None if vector["valid"] else vector["error"]["class"]
    octets = octets_of(vector)
    found = verdict(octets, given)
    if found != expected:
        yield f"is {found or 'valid'}, said to be {expected or 'valid'}"
    if "message_id" in vector:
        own = message_id(given["sender"], given["room"], octets)
        if own != vector["message_id"]:
            yield "another message ID"


def main():
    faults = []
    ids = json.loads((HERE / "content" / "ids.json").read_text())
    content = schema("content/mimi-content.cddl", "mimiContent")
    status = schema("status/status.cddl", "MessageStatusReport")
    for example in ids:
        octets = (HERE / "content" / example["file"]).read_bytes()
        if message_id(example["sender"], example["room"], octets) != example["message_id"]:
            faults.append(f"{example['file']}: another message ID")
        if not validates(content, octets):
            faults.append(f"{example['file']}: not by the CDDL")
    if not validates(status, (HERE / "status" / "status.cbor").read_bytes()):
        faults.append("status.cbor: not by the CDDL")
    valid = refused = 0
    for file in ["content.json", "content-extensions.json", "message-status.json"]:
        for vector in json.loads((HERE / file).read_text())["vectors"]:
            grammar = {"content": content, "status": status}[vector["kind"]]
            faults += [f"{file}: {vector['name']}: {why}" for why in disagreements(vector)]
            octets = octets_of(vector)
            if len(octets) > VALIDATED_OCTETS_MAX:
                continue
            if vector["valid"]:
                valid += 1
                if not validates(grammar, octets):
                    faults.append(f"{file}: {vector['name']}: not by the CDDL")
            elif vector["name"] in STRUCTURAL:
                refused += 1
                if validates(grammar, octets):
                    faults.append(f"{file}: {vector['name']}: the CDDL allows it")
    print(f"{len(ids)} message IDs, {valid} valid encodings, {refused} refused by the CDDL too")
    for fault in faults:
        print(fault)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
