"""Files as they lie there: folders walked, archives opened, bytes told apart and decoded. Nothing here knows what a review is."""

import codecs
import io
import os
import re
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pipeline.faults import Fault

HEAD = 1 << 18  # bytes that are looked at before a file is read
DOCUMENT = "word/document.xml"  # where a .docx keeps its text
LARGEST = 4 << 30  # bytes: what a member of an archive may unpack to
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
    """A file, or a member of an archive. `label` is relative to the folder given: "takeout.zip/Takeout/…/reviews.json"."""

    label: str
    path: Path
    member: str | None = None
    folder: Path | None = None  # where its sources.toml lies

    @contextmanager
    def open(self) -> Iterator[io.BufferedIOBase]:
        """The bytes; Unreadable where the system or the archive refuses."""
        try:
            if self.member is None:
                with self.path.open("rb") as stream:
                    yield stream
            else:
                with zipfile.ZipFile(self.path) as archive, archive.open(self.member) as stream:
                    yield stream
        except PermissionError as error:
            raise Unreadable("the file may not be opened by you: ask for read access") from error
        except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError, _zlib_error()) as error:
            raise Unreadable("the archive is damaged or cut off: download it again") from error
        except OSError as error:
            raise Unreadable(f"the file cannot be read: {error.strerror or 'the disk gives an error'}") from error

    def beside(self, name: str) -> "Blob":
        """The file of that name in the same folder or archive folder, whether or not it is there."""
        label = str(PurePosixPath(self.label).parent / name)
        if self.member is None:
            return self._replace(label=label, path=self.path.parent / name)
        return self._replace(label=label, member=str(PurePosixPath(self.member).parent / name))

    def head(self, size: int = HEAD) -> bytes:
        with self.open() as stream:
            return stream.read(size)


def _zlib_error():
    import zlib

    return zlib.error


def walk(paths: Iterable[Path]) -> Iterator[Blob]:
    """Every file under the paths, in the order given and then by name; archives are unpacked, what systems leave about is passed over.

    Raises InputError for a path that is not there and a folder that holds nothing.
    """
    for path in map(Path, paths):
        if path.is_dir():
            found = [
                Path(root, name) for root, _, names in os.walk(path) if "manifest.json" not in names for name in names
            ]
            found = [
                file
                for file in found
                if not any((above / "manifest.json").exists() for above in file.parents if path in above.parents)
            ]
            labels = sorted((file.relative_to(path).as_posix(), file) for file in found if file.is_file())
            blobs = [Blob(label, file, folder=path) for label, file in labels if not LITTER.search(label)]
            if not blobs:
                raise InputError(f"{path}: the folder holds no files; put the exports there as they were downloaded")
        elif path.is_file():
            blobs = [Blob(path.name, path, folder=path.parent)]
        elif path.exists():
            raise InputError(f"{path}: neither a file nor a folder; give the exports or the folder they lie in")
        else:
            raise InputError(f"{path}: no such file or folder; check the spelling")
        for blob in blobs:
            yield from _unpacked(blob)


def _unpacked(blob: Blob) -> Iterator[Blob]:
    """The members of a zip, or the file itself (a workbook is a zip too, and stays whole). A broken archive is yielded as it is."""
    try:
        if what(blob) != "zip":
            yield blob
            return
        with blob.open(), zipfile.ZipFile(blob.path) as archive:
            names = sorted(
                info.filename for info in archive.infolist() if not info.is_dir() and not LITTER.search(info.filename)
            )
    except (Unreadable, zipfile.BadZipFile, OSError, ValueError):
        yield blob
        return
    seen = set()
    for name in names:
        if name not in seen:
            seen.add(name)
            yield blob._replace(label=f"{blob.label}/{name}", member=name)
    if not names:
        yield blob


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
        with zipfile.ZipFile(blob.path) as archive:
            infos = archive.infolist()
            names = {info.filename for info in infos}
    except (zipfile.BadZipFile, ValueError) as error:
        raise Unreadable("the archive is damaged or cut off: download it again") from error
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
    """Raises Unreadable for a member of an archive that is locked, or that unpacks to more than a file of reviews can be."""
    if blob.member is None:
        return
    with zipfile.ZipFile(blob.path) as archive:
        info = archive.getinfo(blob.member)
    if info.flag_bits & 1:
        raise Unreadable("the archive is protected by a password: unpack it and give the folder")
    if info.file_size > LARGEST or (info.file_size > 50 << 20 and info.file_size > 2000 * max(info.compress_size, 1)):
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
