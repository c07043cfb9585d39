"""Draws docs/screenshots/terminal.svg: a real frame of `pipelog top --live`, of whatever the settings name.

PIPELOG_STATE=… python docs/screenshots/terminal.py
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import MONOKAI

from pipelog import config
from pipelog.cli.live import Watch
from pipelog.cli.live_frame import draw

# Nothing is fetched from elsewhere: the viewer's own fonts do.
LOOK = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.S).replace("Fira Code,", "")
WIDTH, HEIGHT = 110, 26

if __name__ == "__main__":
    with open(os.devnull, "w") as nowhere:
        console = Console(
            record=True, width=WIDTH, height=HEIGHT, force_terminal=True, color_system="256", file=nowhere
        )
        console.print(draw(Watch(config.load(), "views").ask(), WIDTH, HEIGHT))
        drawn = console.export_svg(title="pipelog top --live", theme=MONOKAI, code_format=LOOK, unique_id="pipelog")
        drawn = re.sub(r"<!--.*?-->\s*", "", drawn, flags=re.S)
        Path(__file__).with_suffix(".svg").write_text(drawn)
