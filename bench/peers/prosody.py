"""Prosody, as Debian packages it."""

import shutil

from . import xmpp
from .servers import ADDRESSES, domain, run, wait_for_port

# Debian's default modules without "limits", which lets 10 kB/s in from clients and 30 from servers.
MODULES = """disco roster saslauth tls blocklist bookmarks carbons dialback pep private smacks vcard4
 vcard_legacy csi_simple invites invites_adhoc invites_register ping register time uptime version
 admin_adhoc posix""".split()

CONFIGURATION = """\
run_as_root = true
daemonize = false
pidfile = "{place}/{side}.pid"
data_path = "{place}/data-{side}"
interfaces = {{ "{address}" }}
modules_enabled = {{ {modules} }}
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
s2s_require_encryption = true
s2s_secure_auth = true
allow_registration = true
registration_invite_only = false
authentication = "internal_hashed"
ssl = {{ cafile = "{place}/tls/ca.pem"; certificate = "{place}/tls/{side}.crt"; key = "{place}/tls/{side}.key" }}
s2s_ssl = ssl
log = {{ info = "{place}/{side}.log" }}
http_ports = {{}}
https_ports = {{}}
VirtualHost "{domain}"
Component "conference.{domain}" "muc"
  muc_room_locking = false
  modules_enabled = {{ {room_modules} }}
"""


class Prosody(xmpp.XmppPeer):
    """Two Prosodies; `archived` keeps what is written in rooms (mod_muc_mam)."""

    def __init__(self, place, archived):
        super().__init__(place)
        self.archived = archived

    def is_installed(self):
        return shutil.which("prosody") is not None

    def version(self):
        return run("dpkg-query", "-f", "${Version}", "-W", "prosody")

    def start_servers(self):
        for side, address in ADDRESSES.items():
            (self.place / f"data-{side}").mkdir()
            configuration = CONFIGURATION.format(
                place=self.place,
                side=side,
                address=address,
                domain=domain(side),
                modules=", ".join(f'"{module}"' for module in MODULES),
                room_modules='"muc_mam"' if self.archived else "",
            )
            file = self.place / f"{side}.cfg.lua"
            file.write_text(configuration)
            command = ["prosody", "--config", str(file), "-F"]
            self.processes[side] = self.spawn(command, f"out-{side}.log")
        wait_for_port(5222, self.processes)
