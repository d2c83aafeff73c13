"""Files as they lie there: folders walked, archives opened, bytes told apart and decoded. Nothing here knows what a review is."""

import codecs
import io
import os
import re
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pipeline.faults import Fault

HEAD = 1 << 18  # bytes that are looked at before a file is read
DOCUMENT = "word/document.xml"  # where a .docx keeps its text
LARGEST = 4 << 30  # bytes: what an archive or a workbook may unpack to
SWOLLEN = 300  # times its size, from SWELLS on: text packs to a tenth, sheets of empty cells to a hundredth, nothing to a thousandth
SWELLS = 50 << 20  # bytes
# What systems leave about, and what explains a folder: not exports.
LITTER = re.compile(
    r"(^|/)(\..*|__MACOSX(/.*)?|~\$.*|Thumbs\.db|desktop\.ini|sources\.toml|(README|LICEN[CS]E)(\.(md|txt|rst))?)$",
    re.I,
)


class InputError(Fault):
    """What was given cannot be read at all. The message names it, says what is wrong and how to mend it."""


class Unreadable(Exception):
    """This file, or this table of it, cannot be read; the others can. The message is the reason in rejected.csv."""


class Blob(NamedTuple):
    """A file, a member of an archive, or bytes that are in no file. `label` is relative to the folder given:
    "takeout.zip/Takeout/…/reviews.json"."""

    label: str
    path: Path
    member: str | None = None
    archive: zipfile.ZipFile | None = None  # of the member, opened once: its table of contents may be long
    folder: Path | None = None  # where its sources.toml lies
    held: bytes | None = None  # what was typed, instead of `path`
    why: str = ""  # it is not to be read, with the mend

    @contextmanager
    def open(self) -> Iterator[io.BufferedIOBase]:
        """The bytes; Unreadable where the system or the archive refuses."""
        try:
            with self.archive.open(self.member) if self.archive else self.file() as stream:
                yield stream
        except PermissionError as error:
            raise Unreadable("the file may not be opened by you: ask for read access") from error
        except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError, _zlib_error()) as error:
            raise Unreadable("the archive is damaged or cut off: download it again") from error
        except OSError as error:
            raise Unreadable(f"the file cannot be read: {error.strerror or 'the disk gives an error'}") from error

    def file(self) -> io.BufferedIOBase:
        """The file itself, of which an archive's member is a part."""
        return self.path.open("rb") if self.held is None else io.BytesIO(self.held)

    def beside(self, name: str) -> "Blob":
        """The file of that name in the same folder or archive folder, whether or not it is there."""
        label = str(PurePosixPath(self.label).parent / name)
        if self.member is None:
            return self._replace(label=label, path=self.path.parent / name)
        return self._replace(label=label, member=str(PurePosixPath(self.member).parent / name))

    def size(self) -> int:
        """Bytes of the file."""
        return self.path.stat().st_size if self.held is None else len(self.held)

    def head(self, size: int = HEAD) -> bytes:
        with self.open() as stream:
            return stream.read(size)


def _zlib_error():
    import zlib

    return zlib.error


def walk(paths: Iterable[Path | Blob]) -> Iterator[Blob]:
    """Every file under the paths, in the order given and then by name; archives are unpacked, what systems leave about is passed
    over, and what a person may take for read and is not says why.

    Raises InputError for a path that is not there and a folder that holds nothing.
    """
    for path in paths:
        if isinstance(path, Blob):
            blobs = [path]
        elif (path := Path(path)).is_dir():
            blobs = sorted(_under(path), key=lambda blob: (blob.label, blob.path))
            if not blobs:
                raise InputError(f"{path}: the folder holds no files; put the exports there as they were downloaded")
        elif path.is_file():
            blobs = [Blob(label_of(path.name), path, folder=path.parent)]
        elif path.exists():
            raise InputError(f"{path}: neither a file nor a folder; give the exports or the folder they lie in")
        else:
            raise InputError(f"{path}: no such file or folder; check the spelling")
        for blob in blobs:
            yield from _unpacked(blob)


MAPPING = "sources.toml"
OURS = {"manifest.json", "reviews.parquet"}  # in a folder that holds the output of an earlier run


def _under(folder: Path) -> Iterator[Blob]:
    """The files of a folder and of those in it, but for outputs of this program; and why what else lies there is not read."""
    closed: list[OSError] = []
    for root, folders, names in os.walk(folder, onerror=closed.append):
        here = Path(root)
        if {*names} >= OURS:
            folders.clear()
            continue
        for file in [*(here / name for name in names), *filter(os.path.islink, (here / name for name in folders))]:
            blob = Blob(label_of(file.relative_to(folder).as_posix()), file, folder=folder)
            if not LITTER.search(blob.label):
                yield blob._replace(why="" if os.path.isfile(file) else _no_file(file))
            elif file.name == MAPPING and here != folder:
                yield blob._replace(why="it counts only in the folder that is given: put it there")
    for error in closed:
        label = label_of(Path(error.filename).relative_to(folder).as_posix())
        why = f"the folder cannot be opened ({error.strerror}): mend that, or put its files into another"
        yield Blob(label, Path(error.filename), folder=folder, why=why)


def _no_file(path: Path) -> str:
    if os.path.isdir(path):
        return "a link to a folder, which is not followed: give that folder too"
    if os.path.islink(path) and not os.path.exists(path):
        return "a link to a file that is not there: put the file itself here"
    return "neither a file nor a folder: put an export here, or take it away"


UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def label_of(name: str) -> str:
    """A file's name as text: what is no UTF-8 in it, as old systems leave it, and what cannot be seen become question marks."""
    return UNSEEN.sub("?", name)


def _unpacked(blob: Blob) -> Iterator[Blob]:
    """The members of a zip, or the file itself (a workbook is a zip too, and stays whole). A broken archive is yielded as it is."""
    try:
        if blob.why or what(blob) != "zip":
            yield blob
            return
        # closed with its last member
        archive = zipfile.ZipFile(blob.path if blob.held is None else io.BytesIO(blob.held))
        names = Counter(info.filename for info in archive.infolist() if not info.is_dir())
    except (Unreadable, zipfile.BadZipFile, OSError, ValueError):
        yield blob
        return
    members = [
        blob._replace(
            label=f"{blob.label}/{label_of(name)}", member=name, archive=archive, why=_not_read(name, names[name])
        )
        for name in sorted(names)
    ]
    kept = [member for member in members if member.why or not LITTER.search(_plainly(member.member))]
    yield from kept or [blob._replace(why="the archive holds no exports: only what systems leave about")]


def _not_read(member: str, times: int) -> str:
    """Why a member of an archive is not to be read; nothing where it may be, or is nothing that anybody misses."""
    parts = _plainly(member).split("/")
    if ".." in parts:
        return "its name leads out of the archive (..): unpack the archive by hand, and give the files that you know"
    if parts[-1] == MAPPING:
        return "it counts only in the folder that is given: put it beside the archive"
    if times > 1 and not LITTER.search(_plainly(member)):
        return (
            f"the archive holds {times} files of this name, and only one would be read: unpack it and give the folder"
        )
    return ""


def _plainly(member: str) -> str:
    """The name of an archive's member as others write it: "./a.csv" and "b\\a.csv" are "a.csv" and "b/a.csv"."""
    return str(PurePosixPath(member.replace("\\", "/")))


SIGNS = (
    (b"%PDF", "a PDF: export the reviews as CSV, or paste them into a text file"),
    (b"\x89PNG", "a picture: type or paste the reviews into a text file"),
    (b"\xff\xd8\xff", "a picture: type or paste the reviews into a text file"),
    (b"GIF8", "a picture: type or paste the reviews into a text file"),
    (b"\x1f\x8b", "a .gz or .tgz archive: unpack it and give the folder, or choose .zip when you export"),
    (b"7z\xbc\xaf", "a 7z archive: unpack it and give the folder"),
    (b"Rar!", "a RAR archive: unpack it and give the folder"),
    (b"PAR1", "a Parquet file: export the reviews as CSV"),
    (b"{\\rtf", "a rich text document: save it as plain text"),
    (b"SQLite format", "a database: export the reviews as CSV"),
)


def what(blob: Blob) -> str:
    """What the bytes are: zip, workbook, document (Word), or text. Raises Unreadable, with the mend, for everything else."""
    head = blob.head()
    if not head.strip(b"\xef\xbb\xbf \t\r\n\x00\xff\xfe"):
        raise Unreadable("the file is empty: export it again")
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip(blob)
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        with blob.open() as stream:
            locked = "EncryptedPackage".encode("utf-16-le") in stream.read(64 << 20)
        if locked:
            raise Unreadable("the workbook is protected by a password: save it without one")
        raise Unreadable("an old Office file (.xls or .doc): save it as .xlsx")
    for sign, mend in SIGNS:
        if head.startswith(sign):
            raise Unreadable(mend)
    if not text_encoding(head).startswith("utf-16"):
        strange = sum(byte < 9 or (13 < byte < 32 and byte != 27) for byte in head[:8192])
        if b"\x00" in head or strange > 0.02 * min(len(head), 8192):
            raise Unreadable("not text: give the export as CSV, JSON, XLSX, HTML or plain text")
    return "text"


def _zip(blob: Blob) -> str:
    if blob.member is not None:
        with blob.open() as stream, io.BytesIO(stream.read(LARGEST)) as copy:
            try:
                names = set(zipfile.ZipFile(copy).namelist())
            except (zipfile.BadZipFile, ValueError):
                names = set()
        if "xl/workbook.xml" in names:
            return "workbook"
        if DOCUMENT in names:
            return "document"
        raise Unreadable("a zip inside a zip: unpack the inner one and give its files")
    try:
        with blob.file() as file, zipfile.ZipFile(file) as archive:
            infos = archive.infolist()
            names = {info.filename for info in infos}
    except (zipfile.BadZipFile, ValueError) as error:
        raise Unreadable("the archive is damaged or cut off: download it again") from error
    check_unpacked(infos, blob.size())
    if "xl/workbook.xml" in names:
        return "workbook"
    if DOCUMENT in names:
        return "document"
    if "[Content_Types].xml" in names or "mimetype" in names:
        raise Unreadable("an Office document that is no .xlsx workbook: save the reviews as .xlsx, .csv or plain text")
    if not any(not info.is_dir() for info in infos):
        raise Unreadable("the archive holds no files")
    return "zip"


def check_member(blob: Blob) -> None:
    """Raises Unreadable for what is not to be read, and for a member of an archive that is locked, or that unpacks to more
    than a file of reviews can be."""
    if blob.why:
        raise Unreadable(blob.why)
    if blob.archive is None:
        return
    info = blob.archive.getinfo(blob.member)
    if info.flag_bits & 1:
        raise Unreadable("the archive is protected by a password: unpack it and give the folder")
    check_unpacked([info], info.compress_size)


def check_unpacked(infos: Iterable[zipfile.ZipInfo], packed: int) -> None:
    """Raises Unreadable where the members of an archive, which itself has so many bytes, unpack to more than reviews can be."""
    size = sum(info.file_size for info in infos)
    if size > LARGEST or (size > SWELLS and size > SWOLLEN * packed):
        raise Unreadable("unpacks to far more than a file of reviews holds")


def text_encoding(head: bytes) -> str:
    """utf-16 in either order, with or without its mark, else UTF-8 (a mark is dropped), where what is not UTF-8 is read as cp1252."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    sample = head[:4096]
    half = len(sample) // 2
    if half and sample[1::2].count(0) > 0.4 * half and sample[::2].count(0) < 0.1 * half:
        return "utf-16-le"
    if half and sample[::2].count(0) > 0.4 * half and sample[1::2].count(0) < 0.1 * half:
        return "utf-16-be"
    return "utf-8-sig"


def _as_cp1252(error: UnicodeError) -> tuple[str, int]:
    """What is not UTF-8 is Windows text: byte by byte, so that one wrong letter does not spoil a file. The five bytes that
    Windows leaves free, and the halves of UTF-16 that have no partner, become the replacement character."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    if error.encoding.startswith("utf-16"):
        return "\N{REPLACEMENT CHARACTER}", error.end
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


codecs.register_error("as_cp1252", _as_cp1252)


def encoding_name(head: bytes) -> str:
    """What a person calls the encoding."""
    encoding = text_encoding(head)
    if encoding.startswith("utf-16"):
        return "UTF-16"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "Windows-1252"
    return "UTF-8 with BOM" if head.startswith(codecs.BOM_UTF8) else "UTF-8"


@contextmanager
def text_of(blob: Blob) -> Iterator[io.TextIOWrapper]:
    """The text of a file, line ends as they are."""
    encoding = text_encoding(blob.head())
    with blob.open() as stream:
        yield io.TextIOWrapper(stream, encoding=encoding, errors="as_cp1252", newline="")
