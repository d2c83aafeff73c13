"""make audit: every version in constraints.txt held against the databases of known vulnerabilities.

Exit status 0: all were checked and nothing is known. 1: something is, and it is printed. 3: nothing is known, but not all
could be checked; which, is printed. pip-audit itself ends with 0 where it has checked nothing, so its report is counted.
"""

import json
import subprocess
import sys
from pathlib import Path

PINNED = Path(__file__).resolve().parent.parent / "constraints.txt"
SERVICES = ("pypi", "osv")  # the second is asked for what the first does not know


def asked(service: str, pinned: list[str]) -> dict | None:
    """What pip-audit reports of some pinned versions, or None where the service could not be reached."""
    command = [
        sys.executable,
        "-m",
        "pip_audit",
        "-r",
        "/dev/stdin",
        "--no-deps",
        "--disable-pip",
        "-s",
        service,
        "-f",
        "json",
    ]
    done = subprocess.run(
        [*command, "--progress-spinner", "off"], input="\n".join(pinned) + "\n", capture_output=True, text=True
    )
    try:
        return json.loads(done.stdout)
    except ValueError:
        return None


def weighed(report: dict | None, pinned: list[str]) -> tuple[list[str], list[str]]:
    """A line for each vulnerability, and the pinned versions that were not checked."""
    told = {
        f"{one['name']}=={one['version']}": one["vulns"]
        for one in (report or {}).get("dependencies", ())
        if "vulns" in one
    }
    lines = [
        f"{version}: {known['id']}, mended in {', '.join(known['fix_versions']) or 'no version yet'}"
        for version, vulnerabilities in told.items()
        for known in vulnerabilities
    ]
    return lines, [version for version in pinned if version not in told]


def main() -> int:
    pinned = [
        line.strip().lower().replace("_", "-")
        for line in PINNED.read_text(encoding="utf-8").splitlines()
        if "==" in line
    ]
    left, found = pinned, []
    for service in SERVICES:
        if left:
            lines, left = weighed(asked(service, left), left)
            found += lines
    print(
        "\n".join(
            found + [f"{len(pinned) - len(left)} of {len(pinned)} versions checked, {len(found)} known vulnerabilities"]
        )
    )
    if left:
        which = "any of them" if left == pinned else ", ".join(left)
        print(f"No database that could be reached knows {which}. Run it where there is a network.", file=sys.stderr)
    return 1 if found else 3 if left else 0


if __name__ == "__main__":
    sys.exit(main())
