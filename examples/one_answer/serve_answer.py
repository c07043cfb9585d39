"""The whole site by one command: the answer is written once, and served on loopback.

    python examples/one_answer/serve_answer.py --demo       # with a made-up week; without --demo: your own pipelog

On a server cron writes the page and httpd serves the folder; nothing runs in between.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from answer import PIPELOG, refresh

_BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
_LINE = f'192.0.2.1 - - [{{:%d/%b/%Y:%H:%M:%S %z}}] "GET / HTTP/1.1" 200 512 "-" "{_BROWSER}"\n'


def main() -> int:
    """Serve until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(description="Is traffic down?")
    parser.add_argument("--folder", type=Path, help="where the page is written (default: nothing is kept)")
    parser.add_argument("--port", type=int, default=0, help="on 127.0.0.1 (default: a free one)")
    parser.add_argument("--site", default="", help="the site, where pipelog counts several")
    parser.add_argument("--demo", action="store_true", help="ask a pipelog of its own with made-up views")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):  # a script's background job is started with SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    try:
        with ExitStack() as stack:
            own = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="answer-")))
            if options.demo:
                stack.enter_context(_demo(own / "state"))
            folder = options.folder or own / "page"
            answer = refresh(folder, PIPELOG, options.site)
            handler = partial(_Handler, directory=str(folder))
            with ThreadingHTTPServer(("127.0.0.1", options.port), handler) as server:
                print(f"http://127.0.0.1:{server.server_port}/    {answer.word}: {answer.reason}", flush=True)
                server.serve_forever()
    except KeyboardInterrupt:
        pass
    return 0


class _Handler(SimpleHTTPRequestHandler):
    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def _demo(state: Path) -> Iterator[None]:
    """A pipelog that counts: twelve views a minute a week ago, eight today."""
    for name in [name for name in os.environ if name.startswith("PIPELOG_")]:
        del os.environ[name]
    os.environ |= {"PIPELOG_CONFIG": os.devnull, "PIPELOG_STATE": str(state)}
    now = datetime.now().astimezone()
    midnight = now.replace(hour=0, minute=0, second=0)
    log = state.with_suffix(".log")
    week = timedelta(days=7)
    log.write_text("".join(_LINE.format(midnight - week + timedelta(seconds=5 * n)) for n in range(12 * 1_440)))
    day = (now - week).date().isoformat()
    subprocess.run([*PIPELOG, "rollup", "--since", day, "--until", day, str(log)], check=True, capture_output=True)
    so_far = int((now - midnight).total_seconds() / 7.5)
    with subprocess.Popen([*PIPELOG, "count"], stdin=subprocess.PIPE, text=True) as logger:
        assert logger.stdin
        logger.stdin.writelines(_LINE.format(midnight + timedelta(seconds=7.5 * n)) for n in range(so_far))
        logger.stdin.flush()
        _wait(so_far)
        yield
        logger.stdin.close()


def _wait(lines: int) -> None:
    for _ in range(200):
        said = subprocess.run([*PIPELOG, "status", "--output", "json"], capture_output=True, check=False).stdout
        if json.loads(said or b"{}").get("lines", 0) >= lines:
            return
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
