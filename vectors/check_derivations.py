#!/usr/bin/env python3
"""Computes what `derivations.json` says, in another language and over its standard library alone.

AES-GCM is not in that library; its input and output are checked in shape, the hash in full.
"""

import hashlib
import hmac
import json
import struct
import sys
from pathlib import Path
from urllib.parse import quote, unquote

HERE = Path(__file__).resolve().parent
DOMAIN_VARIABLES = ("{targetDomain}", "{requesterDomain}", "{domain}")


def prefix(length):
    """RFC 9420 section 2.1.2."""
    if length < 0x40:
        return struct.pack(">B", length)
    if length < 0x4000:
        return struct.pack(">H", length | 0x4000)
    return struct.pack(">I", length | 0x80000000)


def opaque(octets):
    return prefix(len(octets)) + octets


def vector_at(octets, at):
    """Content and end of the variable vector that starts there."""
    size = {0: 1, 1: 2, 2: 4}[octets[at] >> 6]
    length = int.from_bytes(octets[at:at + size], "big") & {1: 0x3F, 2: 0x3FFF, 4: 0x3FFFFFFF}[size]
    end = at + size + length
    return octets[at + size:end], end


def context(inputs):
    sender, room = inputs["sender"].encode(), inputs["room"].encode()
    return opaque(sender) + opaque(room) + struct.pack(">Q", inputs["accepted_timestamp"])


def message_id(inputs):
    octets = b"".join(
        struct.pack(">H", len(uri)) + uri
        for uri in (inputs["sender"].encode(), inputs["room"].encode()))
    octets += bytes.fromhex(inputs["content"]) + bytes.fromhex(inputs["salt"])
    return "01" + hashlib.sha256(octets).hexdigest()[:62]


def franking_tag(inputs):
    salt, data = bytes.fromhex(inputs["salt"]), bytes.fromhex(inputs["application_data"])
    return hmac.new(salt, data, hashlib.sha256).hexdigest()


def server_frank(inputs):
    message = bytes.fromhex(inputs["franking_tag"]) + context(inputs)
    return hmac.new(bytes.fromhex(inputs["hub_key"]), message, hashlib.sha256).hexdigest()


def franking_integrity(inputs):
    suite = struct.pack(">H", inputs["cipher_suite"])
    return server_frank(inputs) + (suite + context(inputs)).hex()


def to_be_signed(inputs):
    """All but the signature, the last field of 64 octets; the plain form of a joining code may have
    been signed in the optional one, too."""
    octets = bytes.fromhex(inputs["octets"])
    unsigned = octets[:-66]
    assert octets[-66:-64] == prefix(64)
    readings = [unsigned.hex()]
    if inputs["label"] == "GroupInfoRequestTBS":
        at = 3
        _, at = vector_at(octets, at)  # requestingSignatureKey
        assert octets[at:at + 2] == b"\x00\x01"  # a basic credential
        _, at = vector_at(octets, at + 2)
        _, at = vector_at(octets, at)  # groupInfoPublicKey
        if octets[at] > 1:
            readings.append((unsigned[:at] + b"\x01" + unsigned[at:]).hex())
    return readings


def external(inputs, output):
    served = bytes.fromhex(inputs["served"])
    tag_octets = 16
    return (inputs["encAlg"], inputs["hashAlg"]) == (1, 1) and output == {
        "content_hash": hashlib.sha256(served).hexdigest(),
        "content": output["content"],
    } and len(served) == len(output["content"]) // 2 + tag_octets


def expand(inputs):
    template = inputs["template"]
    before, rest = template.split("{")
    variable, after = rest.split("}")
    value = inputs.get("value") or inputs["identifier"]
    if "{" + variable + "}" in DOMAIN_VARIABLES:
        value = value.removeprefix("mimi://").split("/")[0]
    return before + quote(value, safe="") + after


def identifier_from_path(inputs):
    decoded = unquote(inputs["raw"])
    return decoded if decoded.startswith("mimi://") else "mimi://" + decoded


FUNCTIONS = {
    "message-id": message_id,
    "franking-tag": franking_tag,
    "server-frank": server_frank,
    "franking-integrity": franking_integrity,
    "to-be-signed": to_be_signed,
    "group-info-context": lambda inputs: inputs["room"].encode().hex(),
    "partial-context-hash-input":
        lambda inputs: struct.pack(">I", inputs["sender_leaf_index"]).hex() + inputs["nonce"],
    "expand": expand,
    "identifier-from-path": identifier_from_path,
}


def holds(derivation):
    inputs, output = derivation["inputs"], derivation["output"]
    if derivation["function"] == "external":
        return external(inputs, output)
    return FUNCTIONS[derivation["function"]](inputs) == output


def main():
    derivations = json.loads((HERE / "derivations.json").read_text())["derivations"]
    faults = [derivation["name"] for derivation in derivations if not holds(derivation)]
    print(f"{len(derivations)} derivations, {len(faults)} of which do not hold")
    for fault in faults:
        print(fault)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
