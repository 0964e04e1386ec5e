"""ejabberd, as Debian packages it."""

import shutil
import subprocess

from . import xmpp
from .servers import ADDRESSES, DNS_ADDRESS, domain, run, wait_for_port

# Debian's modules but those for HTTP, MQTT, STUN and fail2ban; no traffic shapers, no required TLS for
# clients, which are not what is measured.
CONFIGURATION = """\
loglevel: warning
hosts: ["{domain}"]
certfiles: ["{place}/tls/{side}.pem"]
ca_file: "{place}/tls/ca.pem"
define_macro:
  'TLS_CIPHERS': "HIGH:!aNULL:!eNULL:!3DES:@STRENGTH"
  'TLS_OPTIONS': ["no_sslv3", "no_tlsv1", "no_tlsv1_1", "cipher_server_preference", "no_compression"]
s2s_ciphers: 'TLS_CIPHERS'
s2s_protocol_options: 'TLS_OPTIONS'
listen:
  - {{port: 5222, ip: "{address}", module: ejabberd_c2s, max_stanza_size: 262144, shaper: none, access: c2s}}
  - {{port: 5269, ip: "{address}", module: ejabberd_s2s_in, max_stanza_size: 524288, shaper: none}}
s2s_use_starttls: required
auth_password_format: scram
acl:
  local: {{user_regexp: ""}}
  loopback: {{ip: [127.0.0.0/8]}}
access_rules:
  local: {{allow: local}}
  c2s: {{allow: all}}
  muc_create: {{allow: all}}
  pubsub_createnode: {{allow: local}}
  trusted_network: {{allow: loopback}}
shaper_rules:
  max_user_sessions: 10
  max_user_offline_messages: {{5000: all}}
  c2s_shaper: none
  s2s_shaper: none
registration_timeout: infinity
modules:
  mod_adhoc: {{}}
  mod_admin_extra: {{}}
  mod_avatar: {{}}
  mod_blocking: {{}}
  mod_caps: {{}}
  mod_carboncopy: {{}}
  mod_client_state: {{}}
  mod_disco: {{}}
  mod_last: {{}}
  mod_muc:
    access: [allow]
    access_create: muc_create
    access_persistent: muc_create
    access_mam: [allow]
    default_room_options: {{mam: {archived}}}
  mod_offline: {{access_max_user_messages: max_user_offline_messages}}
  mod_ping: {{}}
  mod_privacy: {{}}
  mod_private: {{}}
  mod_pubsub:
    access_createnode: pubsub_createnode
    plugins: [flat, pep]
  mod_push: {{}}
  mod_push_keepalive: {{}}
  mod_register: {{ip_access: trusted_network}}
  mod_roster: {{versioning: true}}
  mod_s2s_dialback: {{}}
  mod_shared_roster: {{}}
  mod_stream_mgmt: {{resend_on_timeout: if_offline}}
  mod_vcard: {{}}
  mod_vcard_xupdate: {{}}
  mod_version: {{show_os: false}}
"""
ARCHIVE = "  mod_mam: {assume_mam_usage: true, default: never}\n"


class Ejabberd(xmpp.XmppPeer):
    """Two ejabberds; `archived` keeps what is written in rooms (mod_mam, Mnesia)."""

    def __init__(self, place, archived):
        super().__init__(place)
        self.archived = archived

    def is_installed(self):
        return shutil.which("ejabberdctl") is not None

    def version(self):
        return run("dpkg-query", "-f", "${Version}", "-W", "ejabberd")

    def start_servers(self):
        environment = {
            "ERL_LIBS": erlang_libraries(),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_MAX_PORTS": "32000",
            "ERL_MAX_ETS_TABLES": "1400",
            "HOME": str(self.place),
        }
        self.helpers.append(self.spawn_plain(["epmd", "-address", "127.0.0.1"], "epmd.log"))
        for side in ADDRESSES:
            self.processes[side] = self.start_server(side, environment)
        wait_for_port(5222, self.processes)

    def start_server(self, side, environment):
        home = self.place / side
        (home / "spool").mkdir(parents=True)
        (home / "inetrc").write_text(inetrc())
        configuration = CONFIGURATION.format(
            place=self.place,
            side=side,
            domain=domain(side),
            address=ADDRESSES[side],
            archived="true" if self.archived else "false",
        )
        file = home / "ejabberd.yml"
        file.write_text(configuration + (ARCHIVE if self.archived else ""))
        environment = {
            **environment,
            "EJABBERD_CONFIG_PATH": str(file),
            "EJABBERD_LOG_PATH": str(home / "ejabberd.log"),
            "ERL_INETRC": str(home / "inetrc"),
            "ERL_CRASH_DUMP": str(home / "crash.dump"),
        }
        command = ["erl", "-noinput", "-sname", f"ejabberd-{side}@localhost", "-setcookie", "peers"]
        command += ["+K", "true", "+P", "250000", "-kernel", "inet_dist_use_interface", "{127,0,0,1}"]
        command += ["-mnesia", "dir", f'"{home}/spool"', "-s", "ejabberd"]
        return self.spawn(command, f"out-{side}.log", environment)


def inetrc():
    """Erlang's own resolver."""
    lines = ["{lookup, [file, native]}."]
    for side, address in ADDRESSES.items():
        name = domain(side)
        octets = address.replace(".", ",")
        lines.append(f'{{host, {{{octets}}}, ["{name}","conference.{name}"]}}.')
    lines.append(f"{{nameserver, {{{DNS_ADDRESS.replace('.', ',')}}}}}.")
    return "\n".join(lines) + "\n"


def erlang_libraries():
    """Where Debian keeps ejabberd's and its libraries' code."""
    listed = subprocess.run(["dpkg", "-L", "ejabberd"], text=True, capture_output=True).stdout
    applications = [line for line in listed.splitlines() if line.endswith("/ebin/ejabberd.app")]
    if not applications:
        return "/usr/lib/x86_64-linux-gnu"
    return applications[0].rsplit("/", 3)[0]
