#!/usr/bin/env python3
"""Where the instructions go, by function of the kernel and of the daemon.

    VIPD_BIN=target/release/vipd tools/bench-vm/profile.py send|receive [INSTANCES]
    VIPD_BIN=target/release/vipd tools/bench-vm/profile.py program
    VIPD_BIN=target/release/vipd tools/bench-vm/profile.py failures
    VIPD_BIN=target/release/vipd tools/bench-vm/profile.py checks

The guest runs twice. Adverts: for 10 and for 60 seconds of its time; what it did more in
the second run is divided by the adverts of those 50 seconds. Starting with IPVS services:
with 1000 and with 4000; what it did more is divided by the objects, two a service. Failures:
of none and of all of 2000 servers of one service, divided by these. TCP checks: 100 a second for
10 and for 30 seconds, the server's process included. Printed
are K a function of the kernel (what it does for others included), U one of the daemon, L
its libraries.
"""

import bisect
import collections
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "scenarios")]
import adverts
import checks
import guest
import massfail
import program as services

# What the two runs have few and many of: seconds, services, whether the servers fail.
RANGES = {"send": (10, 60), "receive": (10, 60), "program": (1000, 4000), "failures": (0, 1), "checks": (10, 30)}
SERVERS = 2000
TOOLS = "flood", "accept"
# Where the kernel puts the daemon when addresses are not random (ELF_ET_DYN_BASE).
BASE = 0x555555554000

SCRIPT = r"""
. /bench/lib.sh
if [ $WHAT = failures ]; then
	ip netns add t; ip -n t link set lo up
	ip netns exec t accept & server=$!
	start vipd t /conf/servers
	sleep 70
	[ $LENGTH = 0 ] || kill $server
	sleep 70
	inside t ipvsadm -Ln | grep -c "127\.0\."
	[ $LENGTH != 0 ] || kill $server # `end` waits for it
	end vipd
	mkdir -p /out; cat /proc/kallsyms >/out/symbols
	exit
fi
if [ $WHAT = checks ]; then
	ip netns add t; ip -n t link set lo up
	ip netns exec t accept & server=$!
	start vipd t /conf/checks
	sleep 30
	sleep $LENGTH
	alive vipd
	kill $server
	end vipd
	mkdir -p /out; cat /proc/kallsyms >/out/symbols
	exit
fi
if [ $WHAT = program ]; then
	ip netns add t; ip -n t link set lo up
	start vipd t /conf/services
	settle vipd
	alive vipd
	end vipd
	mkdir -p /out; cat /proc/kallsyms >/out/symbols
	exit
fi
lab_up
if [ $WHAT = receive ]; then
	flood $COUNT $((50 + LENGTH)) & sleep 1
	start vipd B /conf/backup
else
	start vipd B /conf/master
fi
sleep 30
sleep $LENGTH
alive vipd
end vipd
mkdir -p /out; cat /proc/kallsyms >/out/symbols
"""


def functions(lines):
    """(addresses, names), in the order of the addresses."""
    found = sorted((int(address, 16), name) for address, kind, name in lines if kind in "tTwW")
    return [a for a, _ in found], [n for _, n in found]


def profile(what, count, binary, length, plugin, tmp):
    """Instructions by (sort, function)."""
    texts = {
        "/bench/lib.sh": (HERE / "lib.sh").read_text(), "/bench/script": SCRIPT,
        "/bench/daemon.vipd": 'exec /opt/vipd -n -l -G -f "$CONF"\n',
        "/conf/services": services.config(length), "/conf/servers": massfail.config(SERVERS), "/conf/checks": checks.config(""),
        "/conf/master": adverts.config(count, "MASTER", 200), "/conf/backup": adverts.config(count, "BACKUP", 100),
    }
    env = {"WHAT": what, "COUNT": str(count), "LENGTH": str(length)}
    counts = tmp / f"counts.{length}"
    status = guest.run("sh /bench/script", bins=[(binary, "/opt/vipd")] + [(tmp / tool, f"/usr/local/bin/{tool}") for tool in TOOLS], texts=texts, env=env,
                       out=tmp, append="norandmaps", limit=1200, more=["-plugin", f"{plugin},out={counts}"])
    if status:
        sys.exit(status)
    kernel = functions(line.split()[:3] for line in (tmp / "symbols").read_text().splitlines())
    listed = subprocess.run(["nm", "-C", "--defined-only", binary], text=True, capture_output=True, check=True)
    program = functions(line.split(" ", 2) for line in listed.stdout.splitlines())

    def place(address):
        if address >= 1 << 63:
            return "K", kernel[1][bisect.bisect_right(kernel[0], address) - 1]
        offset = address - BASE
        if 0 <= offset < 1 << 25:
            return "U", program[1][bisect.bisect_right(program[0], offset) - 1]
        return "L", "libraries, other programs"

    total = collections.Counter()
    for line in counts.read_text().splitlines():
        address, instructions, runs = line.split()
        total[place(int(address, 16))] += int(instructions) * int(runs)
    return total


def main():
    if len(sys.argv) < 2 or sys.argv[1] not in RANGES or "VIPD_BIN" not in os.environ:
        sys.exit(__doc__)
    what, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 200
    guest.need("gcc")
    with tempfile.TemporaryDirectory() as tmp:
        tmp = Path(tmp)
        for tool in TOOLS:
            subprocess.run(["gcc", "-O2", "-Wall", "-static", "-o", tmp / tool, HERE / f"src/{tool}.c"], check=True)
        subprocess.run(["gcc", "-O2", "-Wall", "-shared", "-fPIC", "-o", tmp / "profile.so", HERE / "src/profile.c"], check=True)
        of = lambda length: profile(what, count, os.environ["VIPD_BIN"], length, tmp / "profile.so", tmp)
        few, many = RANGES[what]
        short, long = of(few), of(many)
    per = {"program": 2, "failures": SERVERS, "checks": checks.SERVERS}.get(what, count)
    each = {place: (n - short[place]) / (per * (many - few)) for place, n in long.items()}
    for sort, of in ("U", "the daemon"), ("L", "libraries"), ("K", "the kernel"):
        print(f"{sum(n for place, n in each.items() if place[0] == sort):8.0f} {sort} all of {of}")
    for (sort, name), n in sorted(each.items(), key=lambda item: -item[1]):
        if n < 5:
            break
        print(f"{n:8.0f} {sort} {name[:120]}")


if __name__ == "__main__":
    main()
