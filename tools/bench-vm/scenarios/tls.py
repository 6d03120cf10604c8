#!/usr/bin/env python3
"""H4: what one check by TLS costs, with a full handshake.

20 real servers on 127.0.0.x, asked by SSL_GET every second; instructions of all the
daemon's processes over 20 s of virtual time, divided by the connections the kernel
accepted.  The server is OpenSSL's own (s_server, ECDSA P-256, no tickets), whose
instructions are not in the figure, but for the kernel's part of its connections.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import guest
import measure

SERVERS = 20

SCRIPT = r"""
. /bench/lib.sh
accepted() { inside t awk '/^Tcp:/ && ++n == 2 {print $7}' /proc/net/snmp; } # PassiveOpens
for round in $(seq $ROUNDS); do for d in $DAEMONS; do
	ip netns add t; ip -n t link set lo up
	ip netns exec t openssl s_server -quiet -www -accept 9443 -cert /conf/cert -key /conf/key -no_ticket -num_tickets 0 >/dev/null 2>&1 & server=$!
	sleep 5
	start $d t /conf/servers
	sleep 30
	before=$(cpu $d); a=$(accepted)
	sleep 20
	a=$(($(accepted) - a))
	record check $d $((($(cpu $d) - before) * 1000 / a))
	record checks $d $a
	record up $d $(inside t ipvsadm -Ln | grep -c '127.0.0.*Route *1 ')
	alive $d; kill $server; end $d; ip netns del t; sleep 90
done; done
"""


def config():
    return "virtual_server 10.100.0.1 443 {\n delay_loop 1\n lvs_sched rr\n lvs_method DR\n protocol TCP\n" + "".join(
        f" real_server 127.0.0.{n + 2} 9443 {{\n  weight 1\n  SSL_GET {{\n   url {{\n    path /\n    status_code 200\n   }}\n   connect_timeout 3\n  }}\n }}\n"
        for n in range(SERVERS)
    ) + "}\n"


def identity():
    """A self-signed certificate and its key, as text."""
    guest.need("openssl")
    with tempfile.TemporaryDirectory() as tmp:
        made = [Path(tmp, name) for name in ("cert", "key")]
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650",
                        "-subj", "/CN=bench", "-out", made[0], "-keyout", made[1]], check=True, capture_output=True)
        return [path.read_text() for path in made]


def main():
    cert, key = identity()
    texts = {"/conf/servers": config(), "/conf/cert": cert, "/conf/key": key}
    r = measure.run(SCRIPT, texts=texts, bins=[(guest.find("openssl"), "/usr/bin/openssl")], limit=600)
    measure.report("H4.check", "instr per check by TLS", r["check"], agree=0.02)
    measure.report("H4.checks", "checks in 20 s", r["checks"])
    measure.report("H4.up", "servers up", r["up"])


if __name__ == "__main__":
    main()
