# SPDX-License-Identifier: GPL-2.0-or-later
"""The rooms of core/, by its #includes: no file includes what stands on a floor above its
own, there is no circle, and every header compiles by itself. Names what is wrong."""

import pathlib
import re
import subprocess
import sys

CORE = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "core")
#: From the bottom; a file includes its own floor and those below it.
FLOORS = ["base", "report", "host", "judge", "look", "try", "causes", "act", "way", "cli"]
#: Rooms beside the stairs, and what they may include apart from themselves.
BESIDE = {
    "tell": {"base", "report", "host"},
    # The list of packages that dnf 5 gives goes with its dialogue.
    "modules": {"base", "report", "host/module.h"},
}
#: Files of core/ itself.
ROOT = {"report": "report", "way": "way", "heal": "way"}


def room(path):
    return path.parts[0] if len(path.parts) > 1 else ROOT[path.stem]


def may_include(path, other):
    here, there = room(path), room(other)
    if here in BESIDE:
        return there == here or there in BESIDE[here] or str(other) in BESIDE[here]
    if there in BESIDE:
        return there != "modules" and FLOORS.index(here) >= FLOORS.index("way")
    return FLOORS.index(there) <= FLOORS.index(here)


def read():
    """{file: [files of core/ that it includes]}, paths relative to core/."""
    graph = {}
    for path in sorted(CORE.rglob("*")):
        if path.suffix not in (".c", ".h", ".cc"):
            continue
        graph[path.relative_to(CORE)] = found = []
        for name in re.findall(r'^#include "([^"]+)"', path.read_text(encoding="utf-8"), re.M):
            target = next((base / name for base in (CORE, path.parent) if (base / name).exists()),
                          None)
            if target is None:
                print(f"{path}: includes {name}, which is not there")
                sys.exit(1)
            found.append(target.relative_to(CORE))
    return graph


def circles(graph):
    """Circles of units, a unit being a .c and its header."""
    units = {}
    for path, others in graph.items():
        units.setdefault(path.with_suffix(""), set()).update(
            other.with_suffix("") for other in others if other.stem != path.stem
            or other.parent != path.parent)
    done, found = set(), []

    def walk(unit, trail):
        if unit in trail:
            found.append([*trail[trail.index(unit):], unit])
        elif unit not in done:
            for other in sorted(units.get(unit, ())):
                walk(other, [*trail, unit])
            done.add(unit)

    for unit in sorted(units):
        walk(unit, [])
    return found


def main():
    graph = read()
    wrong = [f"{path}: includes {other}, which is not on its floor or below"
             for path, others in graph.items() for other in others if not may_include(path, other)]
    wrong += ["a circle: " + " -> ".join(map(str, circle)) for circle in circles(graph)]
    for path in graph:
        if path.suffix == ".h" and path.parts[0] != "modules":
            done = subprocess.run(["cc", "-std=gnu11", "-D_GNU_SOURCE", f"-I{CORE}", "-Wall", "-Werror",
                                   "-fsyntax-only", "-x", "c", CORE / path],
                                  capture_output=True, text=True, check=False)
            if done.returncode:
                wrong.append(f"{path}: does not compile by itself\n{done.stderr}")
    print("\n".join(wrong) or f"includes: {len(graph)} files, all in their rooms")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
