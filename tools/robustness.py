"""make robustness: docs/robustness.md, what is tried against the program, how many times, and with what result.

Arguments go to pytest: `-m "not slow"` leaves out what takes long, and the page says that it was not run.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

PROJECT = Path(__file__).resolve().parent.parent
PAGE = PROJECT / "docs" / "robustness.md"
FILES = {
    "test_atomic": "All of a run or none of it",
    "test_same_bytes": "The same bytes, and no network",
    "test_hostile": "Hostile input",
    "test_patterns": "Regular expressions",
    "test_fuzz": "Made-up input",
    "test_private": "What patients wrote",
    "test_model": "Models from elsewhere",
}
HEAD = """# What is tried against the program

Made by `make robustness` from the tests themselves: a line for each, with how often it was tried and how it ended where this was made. `make test`
runs those marked *test*, `make soak` those marked *soak*; `make fuzz` runs the made-up input for as long as wanted.
"""


def says(source: str) -> dict[str, tuple[str, bool]]:
    """Test → (its expectation, whether it is slow), from a file of tests."""
    found = re.findall(
        r'((?:^@.*\n|^ {4}.*\n|^\)\n)*)^def (test_\w+)\([^)]*\):\n    """ ?(.+?)"""', source, re.MULTILINE
    )
    return {name: (text, "@pytest.mark.slow" in marks) for marks, name, text in found}


def lines(report: Path) -> list[str]:
    """The page's tables from pytest's own report (JUnit's form)."""
    cases: dict[str, dict[str, list]] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        result = next((one.tag for one in case if one.tag in ("failure", "error", "skipped")), "passed")
        tried = [one.get("value") for one in case.iter("property") if one.get("name") == "tried"]
        name, file = case.get("name").split("[")[0], case.get("classname").split(".")[-1]
        cases.setdefault(file, {}).setdefault(name, []).append((result, tried, float(case.get("time"))))
    out = []
    for file, title in FILES.items():
        known = says((PROJECT / "tests" / f"{file}.py").read_text(encoding="utf-8"))
        out += ["", f"## {title}", "", "| expectation | tried | in | result |", "|---|---|---|---|"]
        for name, (text, slow) in known.items():
            ran = cases.get(file, {}).get(name, [])
            many = (
                "; ".join(dict.fromkeys(one for _, tried, _ in ran for one in tried))
                or f"{len(ran)} case{'s' * (len(ran) != 1)}"
            )
            results = sorted({result for result, _, _ in ran})
            out.append(
                f"| {text.replace('|', chr(92) + '|')} | {many} | {'soak' if slow else 'test'} | {', '.join(results) or 'not run here'} |"
            )
    return out


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        files = [f"tests/{name}.py" for name in FILES]
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                *(sys.argv[1:] or ["-m", "slow or not slow"]),
                f"--junitxml={report}",
                *files,
            ],
            cwd=PROJECT,
        )
        PAGE.write_text(HEAD + "\n".join(lines(report)) + "\n", encoding="utf-8")
    print(PAGE)
    sys.exit(done.returncode)
