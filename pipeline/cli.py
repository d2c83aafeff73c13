"""The command `reviews`: parse, call, print, exit. Heavy modules are imported by the command that needs them."""

import json
import os
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import click

EXIT_FAULT = 1
MONTH = r"^\d{4}-(0[1-9]|1[0-2])$"


class Fault(click.ClickException):
    """The input or the data is at fault; the message says where and what mends it."""

    exit_code = EXIT_FAULT

    def show(self, file=None):
        say(f"reviews: {self.format_message()}", err=True)


def say(text, err: bool = False) -> None:
    """A line for a person or a pipe. What files hold goes into it, and must not give orders to a terminal."""
    from pipeline.wording import printable

    if not err:
        with on_standard_output():
            click.echo(printable(str(text)))
        return
    with suppress(OSError):  # whom should it be told
        click.echo(printable(str(text)), err=True)


@contextmanager
def on_standard_output():
    """A disk that is full, or whatever standard output leads to, is told in a line."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python tries what is left again at its end
        raise Fault(f"standard output takes no more ({error.strerror}); lead it elsewhere") from None


@contextmanager
def faults_told():
    """What a person can mend is told in a line, and what nobody foresaw with its place in the program: no traceback, since
    the errors of libraries quote what they were given, and that may be a patient's words.
    """
    from pipeline import faults

    try:
        yield
    except faults.Fault as error:
        raise Fault(str(error)) from None
    except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
        raise
    except MemoryError:
        raise Fault("there is not enough memory; run with --workers 1 or fewer files; nothing was changed") from None
    except Exception as error:
        if os.environ.get("REVIEWS_TRACEBACK"):
            raise
        raise Fault(unforeseen(error)) from None


def unforeseen(error: Exception) -> str:
    """The kind of an error and where it came up, without its message."""
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(Path(__file__).parent)]
    places = " < ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(ours[-4:]))
    why = f", {error.strerror}" if isinstance(error, OSError) and error.strerror else ""
    return (
        f"a fault of the program, please report it: {type(error).__name__}{why} at {places}; nothing was changed. "
        "Set REVIEWS_TRACEBACK=1 to see all of it, which may quote a review"
    )


def with_standard_input(inputs) -> list:
    """The inputs with what is typed in the place of `-`. It stays in memory: a file of it would outlive a run that is killed."""
    from pipeline.read.files import Blob

    if all(str(path) != "-" for path in inputs):
        return list(inputs)
    if sys.stdin is None or sys.stdin.closed:
        raise Fault("-: there is no standard input; give a file")
    typed = Blob("standard-input.jsonl", Path("-"), held=sys.stdin.buffer.read())
    return [typed if str(path) == "-" else path for path in inputs]


def month_option(_context, _parameter, value):
    import re

    if value and not re.match(MONTH, value):
        raise click.BadParameter("write a month as 2026-10")
    return value


def model_folder(name: str) -> Path:
    """A folder of models/ beside the project, of models/ here, or a path."""
    for place in (Path("models"), Path(__file__).resolve().parent.parent / "models"):
        if (place / name).is_dir():
            return place / name
    return Path(name) if "/" in name else Path(__file__).resolve().parent.parent / "models" / name


@contextmanager
def progress_shown(quiet: bool):
    """A progress bar on a terminal, nothing in a pipe."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    words = {
        "read": "Reading files",
        "fold": "Looking for twins",
        "annotate": "Reading reviews",
        "report": "Writing the report",
    }
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=console, transient=True, disable=quiet or not console.is_terminal,
    ) as bar:  # fmt: skip
        tasks = {}

        def tell(step, done, of):
            if step not in tasks:
                tasks[step] = bar.add_task(words[step], total=of)
            bar.update(tasks[step], completed=done, total=of)

        yield tell


quiet_option = click.option("--quiet", is_flag=True, help="Print nothing but errors.")
out_option = click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("data/processed"),
    show_default=True,
    help="Where results go.",
)
month = click.option(
    "--month", metavar="YYYY-MM", callback=month_option, help="The month to report; else the last one with reviews."
)
model_choice = click.option("--model", "model_name", default="default", show_default=True, help="A folder of models/.")
taxonomy_option = click.option(
    "--taxonomy", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Your own taxonomy.toml."
)
staff_option = click.option(
    "--staff", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Your staff's names, which stay: CSV."
)
consents_option = click.option(
    "--consents",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Consents of patients, CSV or XLSX.",
)


def beside_option(name: str, says: str, *usual: str, exists: bool = True):
    """The option for a file that people keep beside the exports: the one named, or the one in its usual place where there is one.

    exists: the one named has to be there.
    """
    places = [Path(place) for place in usual]
    return click.option(
        f"--{name}",
        type=click.Path(path_type=Path, exists=exists, dir_okay=False),
        callback=lambda _context, _parameter, given: given or next(filter(Path.is_file, places), None),
        help=f"{says}; else {' or '.join(usual)} where there is one.",
    )


corrections_option = beside_option(
    "corrections", "What people corrected, CSV or JSONL", "data/corrections.csv", "data/corrections.jsonl", exists=False
)
changes_option = beside_option("changes", "The register of changes, CSV or XLSX", "data/changes.csv")
closed_option = beside_option("closed", "What was done about reviews to act on, CSV or XLSX", "data/closed.csv")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="clinic-reviews", prog_name="reviews")
@click.pass_context
def main(context):
    """Read what patients write about TMS, ketamine and Spravato clinics.

    \b
    A month:  put the exports into data/raw, type `reviews run`, open data/processed/report/report.html.
    """
    for stream in (sys.stdout, sys.stderr):  # as the files that are written, whatever the language of the machine
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    usual = os.umask(0o077)  # what is written on the way is for its owner alone too
    context.call_on_close(lambda: os.umask(usual))


def outcome_printed(outcome, out: Path) -> None:
    """What a run did, in lines that add up."""
    say(f"read        {outcome.read:>7,}")
    say(f"accepted    {outcome.accepted:>7,}")
    say(f"duplicates  {outcome.duplicates:>7,}")
    say(f"rejected    {outcome.rejected:>7,}" + (f"   see {out / 'rejected.csv'}" if outcome.rejected else ""))
    if outcome.to_act_on:
        say(f"to act on   {outcome.to_act_on}, of {outcome.month}, at the top of the report")
    for note in outcome.notes:
        say(f"note: {note}")
    for path in outcome.written:
        say(f"wrote {path}")
    page = out / "report" / "report.html"
    if page.exists():
        say(f"The report of {outcome.month}: {page}")
    else:
        say("No review has a date, so there is no month to report; give dates, or see reviews.parquet.")


@main.command()
@click.argument("inputs", nargs=-1, type=click.Path(path_type=Path))
@out_option
@month
@model_choice
@taxonomy_option
@consents_option
@staff_option
@corrections_option
@changes_option
@closed_option
@click.option("--workers", type=click.IntRange(1, 64), default=None, help="Processes; else one per core, two at most.")
@click.option(
    "--engine", type=click.Choice(["local", "spark"]), default="local", show_default=True, help="Who reads the reviews."
)
@click.option(
    "--master", metavar="URL", help="Of Spark: spark://host:7077, yarn, local[2] …; else what spark-submit says."
)
@click.option(
    "--storage",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A folder that all of Spark's workers see; else beside --out.",
)
@quiet_option
def run(inputs, out, month, model_name, taxonomy, workers, engine, master, storage, quiet, **beside):
    """Files to report and testimonials. INPUTS: files or folders; default data/raw."""
    if engine != "spark" and (master or storage):
        raise click.UsageError("--master and --storage are for --engine spark")
    workers = workers or min(2, os.cpu_count() or 1)
    if workers > 1:
        from pipeline.workers import begin

        begin("pipeline.run")  # before this process imports the same
    from pipeline.run import Settings
    from pipeline.run import run as run_all

    settings = Settings(
        tuple(inputs) or (Path("data/raw"),),
        out,
        model_folder(model_name),
        taxonomy,
        month=month,
        workers=workers,
        engine=engine,
        master=master,
        storage=storage,
        **beside,
    )
    with faults_told(), progress_shown(quiet) as tell:
        outcome = run_all(settings, tell)
    if not quiet:
        outcome_printed(outcome, out)


def rewritten(out, month, quiet, page, beside):
    """The part that `report` and `testimonials` share: write anew from what a run left, say where."""
    from pipeline.run import Settings, rewrite

    with faults_told():
        only = month if page == "testimonials.html" else None
        done = rewrite(Settings((), out, Path(), month=month, **beside), only)
        if not done.month and page == "report.html":
            raise Fault(
                "no review has a date, so there is no month to report; give dates, or name a month with --month"
            )
    if not quiet:
        for note in done.notes:
            say(f"note: {note}", err=True)
        say(out / "report" / page)


@main.command()
@out_option
@month
@consents_option
@staff_option
@corrections_option
@changes_option
@closed_option
@quiet_option
def report(out, month, quiet, **beside):
    """The report of a month, from what `run` left."""
    rewritten(out, month, quiet, "report.html", beside)


@main.command()
@out_option
@month
@consents_option
@staff_option
@corrections_option
@changes_option
@closed_option
@quiet_option
def testimonials(out, month, quiet, **beside):
    """The board of quotes, from what `run` left."""
    rewritten(out, month, quiet, "testimonials.html", beside)


@main.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@out_option
@corrections_option
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@quiet_option
def correct(file, out, corrections, dry_run, quiet):
    """Take in what people corrected: FILE is an edited report.xlsx, or a table (CSV, JSONL) of corrections.

    A table has the columns review_id, what (overall, theme, treatment, verdict, escalation, read), which, now.
    """
    from pipeline.run import Settings
    from pipeline.run import correct as take_in

    with faults_told():
        done = take_in(Settings((), out, Path(), corrections=corrections), file, dry_run)
    for line in done.stale:
        say(f"stale: {line}", err=True)
    if quiet:
        return
    for note in done.outcome.notes if done.outcome else ():
        say(f"note: {note}", err=True)
    for change in done.changes:
        what, which = change.subject
        of = done.names.get(which, which.replace("_", " ")) if what == "theme" else which.replace("_", " ")
        told = " ".join(word for word in (what, of) if word)
        say(f"row {change.row:<5} {change.review_id}   {told}: {change.was} → {change.now}")
    n, reviews = len(done.changes), len({change.review_id for change in done.changes})
    if not n:
        say("Nothing to change: all of it stands already.")
    elif dry_run:
        say(f"{n} to change in {reviews} review(s); nothing was written.")
    else:
        say(f"{n} changed in {reviews} review(s), kept in {done.kept}; the report and the board are written anew.")


@main.command()
@out_option
@click.option("--month", metavar="YYYY-MM", callback=month_option, help="The month the stored report is to be of.")
@beside_option("thresholds", "Your own thresholds, TOML", "data/thresholds.toml")
@quiet_option
def check(out, month, thresholds, quiet):
    """Hold the stored report against thresholds: a line for each finding, and exit status 1 where there is one.

    Shares count by their 95 % interval: 3 negative reviews of 4 are no finding.
    """
    from pipeline.run import check as hold

    with faults_told():
        done = hold(out, month, thresholds)
    for note in done.notes:
        say(f"note: {note}", err=True)
    for finding in done.findings:
        say(finding)
    if not done.findings and not quiet:
        say(f"nothing to report: {done.month}")
    if done.findings:
        sys.exit(EXIT_FAULT)


@main.command()
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, allow_dash=True), default="-", help="JSONL; - is standard output."
)
@model_choice
@taxonomy_option
@staff_option
@quiet_option
def annotate(inputs, output, model_name, taxonomy, staff, quiet):
    """Annotations as JSONL, one a review, in the order read. `-` reads native JSONL from standard input.

    This prints what was typed: `evidence` and `pii` are words of the original text.
    """
    from pipeline.run import annotate_typed

    def note(message):
        if not quiet:
            say(f"note: {message}", err=True)

    with faults_told(), progress_shown(quiet) as tell:
        lines = annotate_typed(with_standard_input(inputs), model_folder(model_name), taxonomy, staff, tell, note)
        if str(output) == "-":
            for line in lines:
                say(json.dumps(line, ensure_ascii=False))
        else:
            written_privately(output, (json.dumps(line, ensure_ascii=False) + "\n" for line in lines))


def written_privately(path: Path, lines) -> None:
    """A file of words as typed, for its owner alone, whole or not at all."""
    fresh = path.with_name(f".{path.name}.new")
    try:
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        raise Fault(f"{path}: cannot be written ({error.strerror}); give another file with -o") from None
    finally:
        fresh.unlink(missing_ok=True)


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@quiet_option
def inspect(file, quiet):
    """How FILE is understood: shape, encoding, columns, dates, ratings, the first rows, and what would be refused."""
    from pipeline import explain as explaining
    from pipeline.read import inspect as look

    with faults_told():
        found = look(file)
    if not quiet:
        console = explaining.console()
        with on_standard_output():
            for one in (found, *found.others):
                console.print(explaining.inspection(one))


@main.command()
@click.argument("text")
@click.option("--question", help="What a survey asked.")
@model_choice
@taxonomy_option
@quiet_option
def explain(text, question, model_name, taxonomy, quiet):
    """One text through every stage: each tag with its evidence and who found it."""
    from pipeline import explain as explaining
    from pipeline import taxonomy as words
    from pipeline.model import Model

    with faults_told():
        # what a machine without a language took for no letters is UTF-8 all the same
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        shown = explaining.explain(text, Model(model_folder(model_name)), words.load(taxonomy), question)
    if not quiet:
        with on_standard_output():
            explaining.console().print(shown)


@main.command()
@click.argument("reviews", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("annotations", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@model_choice
@click.option("--misses", type=int, default=0, help="Print so many disagreements.")
@click.option("--floor", multiple=True, metavar="FIGURE=VALUE", help="Exit 1 where a figure is below; may be repeated.")
@quiet_option
def evaluate(reviews, annotations, model_name, misses, floor, quiet):
    """How well REVIEWS are read against ANNOTATIONS made by a careful reader, with 95 % intervals."""
    from pipeline import evaluate as evaluation
    from pipeline.corpus import read_jsonl
    from pipeline.run import annotate_typed

    with faults_told():
        floors = {}
        for text in floor:
            name, _, value = text.partition("=")
            try:
                floors[name] = float(value)
            except ValueError:
                raise click.BadParameter(f"{text}: write a floor as theme_f1=0.8") from None
        if unknown := floors.keys() - set(evaluation.FIGURES):
            raise click.BadParameter(
                f"no such figure: {', '.join(sorted(unknown))}; there are {', '.join(evaluation.FIGURES)}"
            )
        gold = read_jsonl(annotations)
        predicted = {
            row["id"]: row
            for row in annotate_typed(
                [reviews], model_folder(model_name), None, note=lambda note: say(f"note: {note}", err=True)
            )
        }
        figures = evaluation.measure(gold, predicted)
        below = [figure for figure in figures if figure.name in floors and figure.value < floors[figure.name]]
        if not quiet:
            evaluation_printed(evaluation, gold, predicted, figures, read_jsonl(reviews), misses)
    for figure in below:
        say(f"reviews: {figure.name} is {figure.value:.3f}, below the floor of {floors[figure.name]:.3f}", err=True)
    if below:
        sys.exit(EXIT_FAULT)


def evaluation_printed(evaluation, gold, predicted, figures, reviews, misses) -> None:
    """The figures as plain tables."""
    for figure in figures:
        say(f"{figure.name:28s} {figure.value:7.3f}   {figure.low:.3f}–{figure.high:.3f}")
    for name, error in evaluation.calibration(gold, predicted).items():
        say(f"{'calibration error':28s} {error:7.3f}   {name}")
    say("\ntheme             n  precision  recall     F1  sentiment right")
    for row in evaluation.theme_table(gold, predicted):
        say(
            f"{row['theme']:14s} {row['n']:4d}  {row['precision']:9.3f}  {row['recall']:6.3f}  {row['f1']:5.3f}  {row['sentiment']:.3f}"
        )
    source = {row["id"]: row.get("source") or "unknown" for row in reviews}
    for title, group in (
        ("source", lambda row: [source.get(row["id"], "unknown")]),
        ("language", lambda row: [row["language"]]),
        ("treatment", lambda row: [item["name"] for item in row["treatments"]] or ["not stated"]),
    ):
        say(f"\n{title:14s}    n  theme F1  theme with sentiment  overall")
        for name, group_figures in evaluation.by(gold, predicted, group).items():
            value = {figure.name: figure.value for figure in group_figures}
            n = sum(name in group(row) for row in gold)
            say(
                f"{name:14s} {n:4d}  {value['theme_f1']:8.3f}  {value['aspect_f1']:20.3f}  {value['overall_accuracy']:.3f}"
            )
    for row in evaluation.misses(gold, predicted)[:misses]:
        say(f"{row['id']:28s} {row['asked']:24s} marked {row['marked']!s:10s} read {row['read']}")


@main.command()
@click.option(
    "--corpus",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path("data/corpus"),
    show_default=True,
)
@click.option("--models", type=click.Path(path_type=Path), default=Path("models"), show_default=True)
@model_choice
@out_option
@corrections_option
@quiet_option
def train(corpus, models, model_name, out, corrections, quiet):
    """Corpus and corrections to models/. Needs the extra `train` (PyTorch); some two hours go by on two cores.

    `fast` is made of the `default` beside it, which must be there.

    A corrected review is learnt from with the text that `run` left in --out, without identifiers.
    """
    from pipeline.run import Settings, to_learn_from
    from pipeline.train import train as teach

    tell = (lambda _message: None) if quiet else say
    with faults_told():
        corrected = None
        if corrections:
            reviews, standing, stale = to_learn_from(Settings((), out, Path(), corrections=corrections))
            for line in stale:
                tell(f"not learnt from: {line}")
            corrected = (reviews, standing)
        teach(corpus, models / model_name, tell, corrected=corrected)
