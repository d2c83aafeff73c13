"""make audit: every version in constraints.txt held against the database of known vulnerabilities.

Exit status 0: nothing known. 1: something is, and it is printed. 3: the database could not be reached and nothing was checked.
"""

import subprocess
import sys
from pathlib import Path

PINNED = Path(__file__).resolve().parent.parent / "constraints.txt"
UNREACHED = (
    "ConnectionError",
    "Max retries",
    "Failed to establish",
    "Name or service",
    "ServiceError",
    "Timeout",
    "HTTPError",
)

if __name__ == "__main__":
    done = subprocess.run(
        [sys.executable, "-m", "pip_audit", "-r", PINNED, "--no-deps", "--disable-pip", "--progress-spinner", "off"],
        capture_output=True,
        text=True,
    )
    if done.returncode and any(word in done.stderr for word in UNREACHED):
        print(
            "Not checked: the database of vulnerabilities could not be reached. Run it where there is a network.",
            file=sys.stderr,
        )
        sys.exit(3)
    print(done.stdout + done.stderr, end="")
    sys.exit(done.returncode)
