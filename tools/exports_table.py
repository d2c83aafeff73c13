"""make docs: docs/exports.md, the table of every export that is known by its columns."""

from pathlib import Path

from pipeline.read import shapes

PAGE = Path(__file__).resolve().parent.parent / "docs" / "exports.md"
HEAD = """# Exports that are read

A file is recognised by its columns, never by its name. Made by `make docs` from `pipeline/resources/exports.toml`;
`reviews inspect FILE` shows how a file of yours is understood.

| export | known by the columns | read from it | what to know |
|---|---|---|---|
"""


FOOT = """
## A file of another shape

is read by a guess, which the run prints. Where the guess is wrong, write a file `sources.toml` into the folder with the
exports; only what differs needs a line:

    places = ["Las Vegas", "Santa Monica"]     # "Some Clinics - Las Vegas" is Las Vegas
    dates = "month first"                      # or "day first", for every file here

    [[file]]
    match = "front-desk*.xlsx"                 # the files it is about; one sheet: "log.xlsx/Sheet name"
    source = "front desk"
    location = "Las Vegas"
    scale = "0-10"                             # or "1-5", "5-1" (1 is best), "0-100"
    columns = { text = "What they told us", rating = "Score", date = "When" }

The fields are id, source, location, date, rating, question, text, author, title. `reviews inspect FILE` shows the result.
"""


def columns(names: list[str], between: str = " or ") -> str:
    """Columns as Markdown; a bar would end the cell."""
    return between.join(f"`{name}`" for name in names).replace("|", "\\|")


def table() -> str:
    """The page as text."""
    rows = [
        f"| {known.name} | {columns(known.known_by, ', ')} | "
        f"{'; '.join(f'{field}: {columns(names)}' for field, names in known.columns.items() if names)} | {known.quirks} |"
        for known in shapes()
    ]
    return HEAD + "\n".join(rows) + "\n" + FOOT


if __name__ == "__main__":
    PAGE.write_text(table(), encoding="utf-8")
    print(PAGE)
