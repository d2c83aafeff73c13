"""A month's stored report held against thresholds, for CI and cron: a line for whatever is beyond them.

Nothing is computed anew: every figure is one that the report shows, taken from report.json and manifest.json.
"""

import tomllib
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from pipeline.faults import Fault
from pipeline.wording import in_words, percent

MOST_NAMED = 10  # reviews named in a line
OFF = "off"


class ThresholdError(Fault):
    """The file of thresholds cannot be used; the message lists every fault."""


class Finding(NamedTuple):
    """What is beyond its threshold: which one, and what is found, in words."""

    what: str
    says: str

    def __str__(self) -> str:
        return f"{self.what}: {self.says}"


def load_thresholds(path: Path | None = None) -> dict[str, dict]:
    """{part: {threshold: number or None where it is off}}, a clinic's own file laid over the one that comes with the pipeline.

    Raises ThresholdError with a line for every fault.
    """
    usual = tomllib.loads((files("pipeline") / "resources" / "thresholds.toml").read_text(encoding="utf-8"))
    if path is None:
        return usual
    try:
        own = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise ThresholdError(f"{path}: cannot be read ({error}); name a file of thresholds") from None
    except tomllib.TOMLDecodeError as error:
        raise ThresholdError(f"{path}: cannot be read: {error}; lines look like  share_negative = 0.35") from None
    faults, out = [], {part: dict(numbers) for part, numbers in usual.items()}
    for part, numbers in own.items():
        if part not in usual or not isinstance(numbers, dict):
            faults.append(f"{path}: {part} is no part of it; the parts are {', '.join(f'[{one}]' for one in usual)}")
            continue
        for name, value in numbers.items():
            if name not in usual[part] and part != "model":
                faults.append(f"{path}: [{part}] {name} is not known; there are {', '.join(usual[part])}")
            elif (wrong := _wrong(part, name, value)) is not None:
                faults.append(f"{path}: [{part}] {name} {wrong}")
            out[part][name] = None if value == OFF else value
    if faults:
        raise ThresholdError("\n".join(faults))
    return out


def _wrong(part: str, name: str, value) -> str | None:
    if value == OFF:
        return None
    share = part == "model" or name.startswith("share_")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f'is no number; write one, or "{OFF}"'
    if share and not 0 <= value <= 1:
        return f"is {value}; write a share between 0 and 1: 0.35 is 35 of 100"
    return None if share or (value >= 0 and value == int(value)) else f"is {value}; write a whole number"


def findings(told: Mapping, model: Mapping, thresholds: Mapping) -> list[Finding]:
    """Whatever of a month is beyond its threshold. told: the Summary; model: what the manifest tells of it."""
    month, run = thresholds["month"], thresholds["run"]
    when = f"in {told['month_name']}"
    out = list(_escalations(told["escalations"], month["open_escalations"]))
    out += _share("negative", told["negative"]["share"], f"reviews {when}", month["share_negative"])
    fewest, reviews = month["fewest_reviews"], told["received"]["reviews"]
    if fewest is not None and reviews < fewest:
        says = f"{reviews} {when}, at least {fewest} expected: has an export been forgotten?"
        out.append(Finding("reviews", says))
    out += _share("unread", told["received"]["not_read"], f"reviews with words {when}", month["share_unread"])
    out += _share("rejected", told["quality"]["rejected"], "rows of the run", run["share_rejected"])
    return out + list(_model(model, thresholds["model"]))


def _escalations(acts: Mapping, allowed: float | None) -> Iterator[Finding]:
    waiting = sum(acts["open"].values())  # the rows are cut where they are very many
    if allowed is not None and waiting > allowed:
        named = [row["review_id"] for row in acts["rows"] if row["status"] == "open"][:MOST_NAMED]
        more = f" and {waiting - len(named)} more" if waiting > len(named) else ""
        yield Finding("escalations", f"{waiting} open, at most {allowed} allowed: {', '.join(named)}{more}")


def _share(what: str, figure: Mapping, of: str, allowed: float | None) -> Iterator[Finding]:
    """A share whose whole interval lies above what is allowed. Too few reviews for a share are no finding."""
    if allowed is not None and figure["low"] is not None and figure["low"] > allowed:
        yield Finding(
            what, f"{in_words(figure, of)}, at most {percent(allowed, 1)} allowed, and even the lower end is above"
        )


def _model(model: Mapping, floors: Mapping) -> Iterator[Finding]:
    """A measured figure whose whole interval lies below its floor, or one that was not measured.

    ThresholdError for a figure that no model has.
    """
    figures, floors = model.get("figures"), {name: floor for name, floor in floors.items() if floor is not None}
    if floors and not figures:
        yield Finding("model", "how well it reads was not kept with this output; type: reviews run")
        return
    if unknown := sorted(floors.keys() - (figures or {}).keys()):
        raise ThresholdError(
            f"[model] {', '.join(unknown)} is no figure of the model; there are {', '.join(sorted(figures))}"
        )
    for name, floor in floors.items():
        value, low, high = figures[name]
        if high < floor:
            says = f"{name} of model {model['name']} is {value} ({low} to {high}), at least {floor} wanted"
            yield Finding("model", f"{says}, and even the upper end is below")
