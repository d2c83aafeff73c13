"""taxonomy.toml → Taxonomy: the treatments and themes to look for, with every fault of the file reported at once."""

import hashlib
import json
import re
import tomllib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from pipeline.faults import Fault
from pipeline.tables import THEMES, TREATMENTS
from pipeline.terms import Lists, Terms, compiled

KEYS = {"name", "means", "terms", "unless", "hits", "misses"}


class TaxonomyError(Fault):
    """The file cannot be used; the message lists every fault."""


class Label(NamedTuple):
    """One entry of the taxonomy. `found` is None where the model alone reads it."""

    key: str
    name: str
    means: str
    found: Terms | None


class Taxonomy(NamedTuple):
    """Treatments and themes by key, in the order of the file, and a fingerprint of what the file says."""

    treatments: dict[str, Label]
    themes: dict[str, Label]
    named: Lists  # what names each treatment
    fingerprint: str

    @property
    def own_themes(self) -> dict[str, Label]:
        """The themes a clinic added: read by their terms, since no model was taught them."""
        return {key: label for key, label in self.themes.items() if key not in THEMES}


def faults_of(kind: str, key: str, entry: dict) -> list[str]:
    """What is wrong with one entry, a line each."""
    where = f"[{kind}.{key}]"
    if not isinstance(entry, dict):
        return [f"{where} is not a table; write its keys below a line {where}"]
    faults = [
        f"{where} has a key '{name}' that means nothing here; known: {', '.join(sorted(KEYS))}"
        for name in entry.keys() - KEYS
    ]
    if not re.fullmatch(r"[a-z][a-z0-9_]*", key):
        faults.append(f"{where} needs a key of small letters, digits and _")
    faults += [f"{where} lacks '{name}'" for name in ("name", "means") if not isinstance(entry.get(name), str)]
    lists = {name: entry.get(name, []) for name in ("terms", "unless", "hits", "misses")}
    for name, value in lists.items():
        if not isinstance(value, list) or not all(isinstance(item, str) and item.strip() for item in value):
            faults.append(f"{where} '{name}' is to be a list of words in quotes")
    if faults:
        return faults
    if not lists["terms"] and (kind == "treatment" or key not in THEMES):
        return [f"{where} has no 'terms', and no model was taught it, so nothing would ever be found"]
    try:
        for term in lists["terms"] + lists["unless"]:
            compiled(term)
    except re.error as error:
        return [f"{where} has a term that cannot be read: {error}"]
    if not lists["terms"]:
        return []
    found = Terms(lists["terms"], lists["unless"])
    faults += [f"{where} does not find its own hit: {hit!r}" for hit in lists["hits"] if not found.find(hit)]
    faults += [f"{where} finds what it is to miss: {miss!r}" for miss in lists["misses"] if found.find(miss)]
    return faults


@cache
def load(path: Path | None = None) -> Taxonomy:
    """The taxonomy of a file, or the one that comes with the pipeline. Raises TaxonomyError with every fault."""
    source = path or files("pipeline") / "resources" / "taxonomy.toml"
    try:
        entries = tomllib.loads(source.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TaxonomyError(f"{source}: cannot be read: {error}") from error
    faults = [
        f"'{kind}' is no part of a taxonomy; use [treatment.…] or [theme.…]"
        for kind in entries.keys() - {"treatment", "theme"}
    ]
    treatments, themes = entries.get("treatment", {}), entries.get("theme", {})
    faults += [f"[treatment.{key}] is missing; the model reads it" for key in TREATMENTS if key not in treatments]
    faults += [f"[theme.{key}] is missing; the model reads it" for key in THEMES if key not in themes]
    faults += [
        f"[treatment.{key}] is a treatment no model was taught; the treatments are {', '.join(TREATMENTS)}"
        for key in treatments.keys() - set(TREATMENTS)
    ]
    for kind, group in (("treatment", treatments), ("theme", themes)):
        for key, entry in group.items():
            faults += faults_of(kind, key, entry)
    if faults:
        raise TaxonomyError(f"{source}: {len(faults)} to mend\n  " + "\n  ".join(sorted(faults)))

    def labels(group):
        return {
            key: Label(
                key,
                entry["name"],
                entry["means"],
                Terms(entry["terms"], entry.get("unless", [])) if entry.get("terms") else None,
            )
            for key, entry in group.items()
        }

    content = json.dumps(entries, sort_keys=True, ensure_ascii=False).encode()
    treatments, themes = labels(treatments), labels(themes)
    named = Lists({key: label.found for key, label in treatments.items()})
    return Taxonomy(treatments, themes, named, hashlib.sha256(content).hexdigest())
