"""The long pass: a million broken payloads over all parsers. `make fuzz`, not `make test`.

Bodies that lead to an outcome not seen before (another rule, another number of rows) are kept and
broken further, so that the pass works its way through a parser instead of dying at its door. Kinds
get more inputs the less one costs; a third of all inputs are noise and tokens. Every finding is
printed with the base64 of a body that shows it, and the exit code is 1 if there is any.
"""

from __future__ import annotations

import argparse
import base64
import random
import signal
import sys
import time
import traceback
import warnings
from collections import Counter
from multiprocessing import get_context
from typing import Any

from tests.fuzz.mutations import TOKENS, apply, fitting
from tests.fuzz.outcomes import outcome
from tests.fuzz.seeds import seeds

SLOWEST_S = 5
LARGEST_BODY = 150_000
MOST_KEPT = 400
STEPS_ONLY_STEER = ("fred_updates", "fred_vintage_dates")
"""Their parser reads nothing: few inputs are enough."""


class _Slow(BaseException):
    """An input took more than SLOWEST_S of CPU: no parser may hang, however busy the machine is."""


def _alarm(*_: Any) -> None:
    raise _Slow


def main() -> int:
    """Run the pass and print one line a kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    started = time.monotonic()
    each = -(-given.inputs // given.workers)
    jobs = [(given.seed * 1000 + n, each) for n in range(given.workers)]
    with get_context("spawn").Pool(given.workers) as pool:
        parts = pool.starmap(fuzz, jobs)
    counts: Counter[str] = Counter()
    accepted: Counter[str] = Counter()
    seen: dict[str, set[str]] = {}
    findings: dict[str, tuple[str, str]] = {}
    for part in parts:
        counts.update(part[0])
        accepted.update(part[1])
        for kind, outcomes in part[2].items():
            seen.setdefault(kind, set()).update(outcomes)
        findings.update(part[3])
    print(f"{'kind':22}{'inputs':>10}{'accepted':>10}{'outcomes':>10}")
    for kind, count in sorted(counts.items()):
        print(f"{kind:22}{count:>10,}{accepted[kind]:>10,}{len(seen[kind]):>10,}")
    took = time.monotonic() - started
    print(f"{'all':22}{counts.total():>10,}{accepted.total():>10,}   in {took:,.0f} s")
    for where, (trace, body) in findings.items():
        print(f"\nFOUND {where}\n{trace}body (base64): {body}")
    print(f"{len(findings)} findings")
    return int(bool(findings))


def fuzz(
    seed: int, inputs: int
) -> tuple[Counter[str], Counter[str], dict[str, set[str]], dict[str, tuple[str, str]]]:
    """Break payloads `inputs` times; return counts, accepted, outcomes and findings."""
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGVTALRM, _alarm)
    draw = random.Random(seed)
    payloads = seeds()
    corpus = {kind: [payload.body] for kind, payload in payloads.items()}
    seen: dict[str, set[str]] = {kind: set() for kind in payloads}
    spent = dict.fromkeys(payloads, 1e-3)
    counts: Counter[str] = Counter()
    accepted: Counter[str] = Counter()
    findings: dict[str, tuple[str, str]] = {}
    kinds, shares = list(payloads), [1.0] * len(payloads)
    for number in range(inputs):
        if number % 2_000 == 0:
            shares = [_share(k, spent[k] / max(counts[k], 1)) for k in kinds]
        kind = draw.choices(kinds, shares)[0]
        body = _next_body(draw, corpus[kind])
        begun = time.perf_counter()
        signal.setitimer(signal.ITIMER_VIRTUAL, SLOWEST_S)
        try:
            found = outcome(payloads[kind], body)
        except (Exception, _Slow) as error:
            where = _where(kind, error)
            if where not in findings:
                shown = base64.b64encode(body[:3_000]).decode()
                findings[where] = ("".join(traceback.format_exception(error)[-3:]), shown)
                print(f"FOUND {where} {error!r:.200}", flush=True)
            found = where
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        spent[kind] += time.perf_counter() - begun
        counts[kind] += 1
        accepted[kind] += found.startswith("rows")
        if found not in seen[kind] and len(body) <= LARGEST_BODY:
            seen[kind].add(found)
            if len(corpus[kind]) < MOST_KEPT:
                corpus[kind].append(body)
        if number % 50_000 == 49_999:
            print(f"{seed}: {number + 1:,} inputs, {len(findings)} findings", flush=True)
    return counts, accepted, seen, findings


def _share(kind: str, cost_s: float) -> float:
    return 1.0 if kind in STEPS_ONLY_STEER else 1e-4 / max(cost_s, 1e-4) ** 2


def _next_body(draw: random.Random, corpus: list[bytes]) -> bytes:
    luck = draw.random()
    if luck < 0.05:
        return draw.randbytes(draw.randrange(200))
    if luck < 0.35:
        # A few tokens behind the first bytes: small, and past the first look at a body.
        head = corpus[0][: draw.choice((0, 1, 40, 160))]
        return head + b"".join(draw.choices(TOKENS[:-1], k=draw.randint(1, 6)))
    # The valid payload half of the time, what led somewhere new the other half.
    body = corpus[0] if draw.random() < 0.5 else draw.choice(corpus)
    names = fitting(body)
    steps = [
        (draw.choice(names), draw.getrandbits(16), draw.getrandbits(16), draw.getrandbits(16))
        for _ in range(1 + draw.getrandbits(2))
    ]
    return apply(body, steps)


def _where(kind: str, error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if "/pipelines/" in f.filename or "/outcomes" in f.filename]
    last = ours[-1] if ours else frames[-1]
    return f"{kind} {type(error).__name__} at {last.filename.rsplit('/', 1)[-1]}:{last.lineno}"


if __name__ == "__main__":
    sys.exit(main())
