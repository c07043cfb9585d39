"""How well bots are told, and at what price: `python tests/benchmarks/bots.py` prints the tables of docs/bots.md."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2])]

from bot_cases import FILES, browsers, programs, tidy_browsers  # noqa: E402

from pipelog.counting.bots import LONGEST, bot  # noqa: E402
from pipelog.counting.crawlers import package  # noqa: E402
from pipelog.counting.tally import Memo  # noqa: E402

Verdict = Callable[[str], str | None]


def share(agents: Sequence[str], told: Verdict) -> float:
    return sum(told(agent) is not None for agent in agents) / len(agents)


def seconds(work: Callable[[str], object], agents: Sequence[str], repeats: int) -> float:
    """Of one call: the fastest of `repeats` rounds over the agents."""
    best = float("inf")
    for _ in range(repeats):
        begin = time.perf_counter()
        for agent in agents:
            work(agent)
        best = min(best, time.perf_counter() - begin)
    return best / len(agents)


def accuracy(ways: dict[str, Verdict]) -> None:
    print("| recall of | agents | " + " | ".join(ways) + " |\n|---|---|" + "---|" * len(ways))
    for name in FILES:
        agents = programs(name)
        print(
            f"| {name} | {len(agents)} | " + " | ".join(f"{share(agents, told):.3f}" for told in ways.values()) + " |"
        )
    print("\n| browsers of isbot | agents | " + " | ".join(ways) + " |\n|---|---|" + "---|" * len(ways))
    positives = programs("isbot")
    for title, agents in (("as labelled", browsers()), ("without disputed labels", tidy_browsers())):
        wrong = [sum(told(agent) is not None for agent in agents) for told in ways.values()]
        right = [sum(told(agent) is not None for agent in positives) for told in ways.values()]
        print(
            f"| false positives, {title} | {len(agents)} | "
            + " | ".join(f"{count} ({count / len(agents):.1%})" for count in wrong)
            + f" |\n| precision, {title} | | "
            + " | ".join(f"{good / (good + bad):.3f}" for good, bad in zip(right, wrong, strict=True))
            + " |"
        )


def prices(ways: dict[str, Verdict]) -> None:
    agents = browsers() + programs("isbot")
    keys = [agent.encode("utf-8", "surrogateescape") for agent in agents]
    hostile = [(piece * LONGEST)[:LONGEST] for piece in ("a", "-", "bo", "com.", "a@a", "ContextualBot ", "Spider ")]
    print("\n| time of an answer | " + " | ".join(ways) + " |\n|---|" + "---|" * len(ways))
    cached, fresh, worst = [], [], []
    for told in ways.values():
        memo: Memo[bytes, str | None] = Memo(lambda raw, told=told: told(raw.decode("utf-8", "surrogateescape")))
        for key in keys:
            memo[key]
        cached.append(seconds(memo.__getitem__, keys, 50))  # type: ignore[arg-type]
        fresh.append(seconds(told, agents, 3))
        worst.append(max(seconds(told, [agent], 3) for agent in hostile))
    print("| cached | " + " | ".join(f"{value * 1e6:.2f} µs" for value in cached) + " |")
    print("| not cached | " + " | ".join(f"{value * 1e6:.0f} µs" for value in fresh) + " |")
    print("| the slowest of some hostile agents | " + " | ".join(f"{value * 1e3:.1f} ms" for value in worst) + " |")


if __name__ == "__main__":
    begin = time.perf_counter()
    search = package().search
    loaded = time.perf_counter() - begin
    both: dict[str, Verdict] = {"core": bot, "with the extra": lambda agent: bot(agent, search)}
    accuracy(both)
    prices(both)
    print(f"\n{len(package()):,} patterns, read and compiled in {loaded * 1e3:.0f} ms")
