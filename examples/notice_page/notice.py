"""The main page, published as a file: from a template, with the notice when there is one.

    * * * * *  python examples/notice_page/notice.py FOLDER      # writes FOLDER/htdocs/index.html

What is to be said is in FOLDER/notice.json. Both files are replaced whole, under one lock: readers never see half a
page, and a publication that began before the notice was changed does not end after it.
"""

from __future__ import annotations

import fcntl
import hashlib
import html
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from string import Template

import pipelog

PAGE = "/"  #: the main page, as pipelog names it
MOST = 2_000  #: characters of a notice
_HERE = Path(__file__).parent
_TEMPLATE = _HERE / "main_page.html"
_BOX = """<aside class="notice" aria-labelledby="notice">
<div class="column">
<h2 id="notice">Notice</h2>
<div dir="auto">
{paragraphs}</div>
<p class="readers"><time datetime="{time}">Since {since:%d %B, %H:%M}</time>{read_by}</p>
</div>
</aside>"""

_CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")  #: no characters of HTML, but for the line break between


@dataclass(frozen=True)
class Notice:
    """What is to be said. Never enabled without words."""

    text: str = ""
    enabled: bool = False
    since: str = ""  #: ISO time at which it was enabled
    base: int | None = None  #: views of the page by then; None where pipelog did not answer

    @property
    def version(self) -> str:
        """Another one whenever a person has changed something."""
        return hashlib.sha256(json.dumps([self.text, self.enabled, self.since]).encode()).hexdigest()[:16]


class Changed(Exception):
    """The notice is no more what the caller has seen."""


def read(folder: Path) -> Notice:
    """The notice; none where there is no file. Raises ValueError for a file that somebody has damaged."""
    try:
        held = json.loads((folder / "notice.json").read_text("utf-8"))
        notice = Notice(**held)
        types = (notice.text, str), (notice.enabled, bool), (notice.since, str), (notice.base, int | None)
        if not all(isinstance(value, kind) for value, kind in types):
            raise TypeError("wrong types")
        if notice.enabled:
            datetime.fromisoformat(notice.since)
        return notice
    except FileNotFoundError:
        return Notice()
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(
            f"{folder / 'notice.json'} is damaged: {error}; remove it, and write the notice anew"
        ) from error


def change(folder: Path, text: str | None = None, enabled: bool | None = None, *, version: str | None = None) -> Notice:
    """Change the notice's words, or whether it is shown, and publish at once. `Changed` where `version` is another."""
    with _locked(folder):
        try:
            notice = read(folder)
        except ValueError:
            notice = Notice()
        if version not in (None, notice.version):
            raise Changed
        if text is not None:
            notice = replace(notice, text=text)
        if not notice.text.strip():
            enabled = False
        if enabled and not notice.enabled:
            now = datetime.now().astimezone().isoformat(timespec="seconds")
            notice = replace(notice, enabled=True, since=now, base=_views())
        elif enabled is False:
            notice = replace(notice, enabled=False, since="", base=None)
        _write(folder / "notice.json", json.dumps(asdict(notice)))
        _publish(folder, notice)
        return notice


def publish(folder: Path) -> None:
    """Write the page anew. Raises ValueError for a damaged notice.json; the page that is there stays."""
    with _locked(folder):
        notice = read(folder)
        if notice.enabled and notice.base is None and (views := _views()) is not None:
            notice = replace(notice, base=views)  # from now on, since it could not be asked before
            _write(folder / "notice.json", json.dumps(asdict(notice)))
        _publish(folder, notice)


def render(notice: Notice, readers: int | None = None) -> str:
    """The page. Only the notice's own paragraphs are made of its text; everything else of it is escaped."""
    return Template(_TEMPLATE.read_text("utf-8")).substitute(
        notice=_box(notice, readers) if notice.enabled else "",
        published=f"{datetime.now():%d %B %Y, %H:%M}",
    )


def _box(notice: Notice, readers: int | None) -> str:
    paragraphs = "".join(
        f"<p>{'<br>'.join(html.escape(line.strip()) for line in part.strip().splitlines())}</p>\n"
        for part in re.split(r"\n[ ]*\n", _CONTROLS.sub("", notice.text.replace("\t", " ")))
        if part.strip()
    )
    since = datetime.fromisoformat(notice.since)
    read_by = "" if readers is None else f", read {readers:,} {'time' if readers == 1 else 'times'} so far"
    return _BOX.format(paragraphs=paragraphs, time=html.escape(notice.since), since=since, read_by=read_by)


def readers_of(notice: Notice) -> int | None:
    """How often the page was read since the notice was enabled; None where nobody knows."""
    if not notice.enabled or notice.base is None or (views := _views()) is None:
        return None
    return max(views - notice.base, 0)


def _views() -> int | None:
    try:
        return pipelog.hits(PAGE)
    except pipelog.PipelogError as error:
        print(f"notice_page: {error}", file=sys.stderr)
        return None


def _publish(folder: Path, notice: Notice) -> None:
    _write(folder / "htdocs" / "index.html", render(notice, readers_of(notice)))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    (folder / "htdocs").mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write(path: Path, text: str) -> None:
    """Replace a file, whole."""
    fd, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(fd, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


if __name__ == "__main__":
    if len(sys.argv) != 2:
        print("usage: notice.py FOLDER", file=sys.stderr)
        sys.exit(2)
    try:
        publish(Path(sys.argv[1]))
    except (OSError, ValueError) as error:
        sys.exit(f"notice_page: {error}")
