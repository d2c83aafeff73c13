"""What the program leans on is bounded, pinned, told on a page, and no more than what is used."""

import re
import runpy
import tomllib
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
DECLARED = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PAGE = (PROJECT / "docs" / "dependencies.md").read_text(encoding="utf-8")
PINNED = {
    line.split("==")[0].lower().replace("_", "-")
    for line in (PROJECT / "constraints.txt").read_text().splitlines()
    if "==" in line
}
NEEDED = DECLARED["dependencies"]
EXTRA = {one for group in DECLARED["optional-dependencies"].values() for one in group}


def name(requirement: str) -> str:
    return re.match(r"[\w.-]+", requirement)[0].lower()


def test_the_page_names_just_what_is_needed():
    """The first table of docs/dependencies.md is the list of pyproject.toml, each once; the second its extras."""
    to_run, extras, _ = PAGE.split("\n## ")[1:]
    assert [line.split("`")[1] for line in to_run.splitlines() if line.startswith("| `")] == sorted(map(name, NEEDED))
    rows = [line.split("|") for line in extras.splitlines() if line.startswith("| ") and "`" in line]
    told = {(group.strip(), row[2].strip(" `")) for row in rows for group in row[1].split(",")}
    assert told == {(group, name(one)) for group, ones in DECLARED["optional-dependencies"].items() for one in ones}


@pytest.mark.parametrize("requirement", sorted({*NEEDED, *EXTRA}))
def test_every_dependency_is_bounded(requirement):
    """From above too: what comes out next year was not tested with this."""
    assert "==" in requirement or re.search(r">=.*,<", requirement)


def test_what_is_needed_is_pinned():
    """constraints.txt names the version that the tests ran with."""
    assert {name(one) for one in NEEDED} <= PINNED


def test_an_audit_that_checked_nothing_is_no_good_news():
    """pip-audit ends with 0 where it knows none of the versions; what it skipped, and a report that is none, count as not checked."""
    weighed = runpy.run_path(str(PROJECT / "tools" / "audit.py"))["weighed"]
    known = {"id": "PYSEC-2014-8", "fix_versions": ["2.7.3"], "aliases": [], "description": ""}
    report = {
        "dependencies": [
            {"name": "jinja2", "version": "2.4.1", "vulns": [known]},
            {"name": "click", "version": "8.5.1", "vulns": []},
            {"name": "et-xmlfile", "skip_reason": "Dependency not found and could not be audited: et-xmlfile (2.0.0)"},
        ],
        "fixes": [],
    }
    pinned = ["jinja2==2.4.1", "click==8.5.1", "et-xmlfile==2.0.0"]
    assert weighed(report, pinned) == (["jinja2==2.4.1: PYSEC-2014-8, mended in 2.7.3"], ["et-xmlfile==2.0.0"])
    assert weighed(None, pinned) == ([], pinned)
