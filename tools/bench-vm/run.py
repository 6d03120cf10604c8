#!/usr/bin/env python3
"""Run scenarios and print their JSON lines; every scenario is one boot.

    run.py                       all of them but `late`, which takes many minutes
    run.py plane failover        some
    run.py --save baseline.json  and keep the figures
    run.py --check               the references against baseline.json: the same
                                 guest must give the same figures within 2 %

$VIPD_BIN and $KEEPALIVED_BIN name the daemons beside Debian's (see measure.py).
With $VIPD_BIN the goals in goals.json are judged at the end; the exit status is 1
when one is missed, or when a figure's rounds disagree.
Missing Debian packages are installed when this runs as root.
"""

import argparse
import datetime
import json
import os
import subprocess
import sys
from pathlib import Path

import guest

HERE = Path(__file__).resolve().parent
ORDER = "plane failover bfd program adverts checks tls massfail".split()
SLOW = ["late"]  # many minutes: only when named


def install():
    missing = [p for tool, p in guest.PACKAGES.items() if not guest.find(tool)]
    if missing and os.geteuid() == 0:
        print("installing " + " ".join(missing), file=sys.stderr)
        quiet = {"stdout": subprocess.DEVNULL, "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}}
        subprocess.run(["apt-get", "-q", "update"], check=True, **quiet)
        packages = " ".join(missing).split()
        subprocess.run(["apt-get", "-qy", "install", "--no-install-recommends", *packages], check=True, **quiet)
    guest.need(*guest.PACKAGES)


def scenarios():
    found = sorted(p.stem for p in (HERE / "scenarios").glob("*.py"))
    return [s for s in ORDER if s in found] + [s for s in found if s not in ORDER + SLOW] + SLOW


def measured(names):
    """metric -> its JSON line, printed as they come."""
    lines = {}
    for name in names:
        print(f"--- {name}", file=sys.stderr)
        child = subprocess.Popen([sys.executable, HERE / f"scenarios/{name}.py"], stdout=subprocess.PIPE, text=True)
        for text in child.stdout:
            print(text, end="", flush=True)
            line = json.loads(text)
            lines[line["metric"]] = line
        if child.wait():
            sys.exit(f"{name}: failed with status {child.returncode}")
    return lines


def save(lines, path):
    """The figures, joined to those of scenarios not run this time."""
    try:
        old = json.loads(path.read_text())["metrics"]
    except FileNotFoundError:
        old = {}
    qemu = subprocess.run(["qemu-system-x86_64", "--version"], text=True, capture_output=True).stdout.splitlines()[0]
    release = (guest.kernel(guest.default_cache()) / "release").read_text().strip()
    head = {"date": datetime.date.today().isoformat(), "kernel": release, "qemu": qemu}
    metrics = {**old, **{m: {k: v for k, v in line.items() if k != "metric"} for m, line in lines.items()}}
    body = ",\n".join(f"  {json.dumps(m)}: {json.dumps(v)}" for m, v in metrics.items())
    path.write_text(json.dumps(head)[:-1] + ',\n "metrics": {\n' + body + "\n }}\n")


def check(lines, path, limit=0.02):
    """Figures of the references that moved by more than their rounds may differ."""
    base = json.loads(path.read_text())["metrics"]
    moved = 0
    for metric, line in lines.items():
        for name, value in line["values"].items():
            old = base.get(metric, {}).get("values", {}).get(name)
            if old and name not in ("vipd", "plane"):
                room = max(limit, line.get("agree", 0))
                change = value / old - 1
                if abs(change) > room:
                    moved += 1
                    print(f"moved: {metric} {name}: {old} -> {value} ({change:+.1%}, room {room:.1%})")
    print(f"check: {moved} figures moved")
    return moved == 0


def judge(lines):
    """goals.json: [goal, metric, what, limit]; what is a name (its value), or
    name/reference, where K is the last keepalived measured.  A fifth word, "later",
    stands at goals that the program is not held to yet."""
    good = True
    for goal, metric, what, limit, *later in json.loads((HERE / "goals.json").read_text()):
        values = lines.get(metric, {}).get("values", {})
        name, _, reference = what.partition("/")
        if reference == "K":
            reference = ([n for n in values if n.startswith("keepalived")] or [""])[-1]
        if name not in values or (reference and not values.get(reference)):
            continue
        value = values[name] / values[reference] if reference else values[name]
        met = value <= limit
        void = lines[metric].get("ok") is False
        good &= (met or bool(later)) and not void
        print(f"{'void  ' if void else 'met   ' if met else 'later ' if later else 'MISSED'} {goal:4} {metric:20} {name + ('/' + reference if reference else ''):28} {value:.4g} <= {limit:g}")
    return good


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("scenario", nargs="*", help=", ".join(scenarios()))
    p.add_argument("--save", type=Path, metavar="FILE")
    p.add_argument("--check", type=Path, nargs="?", const=HERE / "baseline.json", metavar="FILE")
    o = p.parse_args()
    unknown = set(o.scenario) - set(scenarios())
    if unknown:
        p.error("no such scenario: " + " ".join(sorted(unknown)))
    install()
    lines = measured(o.scenario or [s for s in scenarios() if s not in SLOW])
    good = True
    for metric, line in lines.items():
        if line.get("ok") is False:
            good = False
            print(f"void: {metric}: " + line.get("note", f"rounds differ by {line.get('spread')}"))
    if o.save:
        save(lines, o.save)
    if o.check:
        good &= check(lines, o.check)
    good &= judge(lines)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
