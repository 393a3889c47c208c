"""How often a verdict of `idle-probe` claims what is not so: python -m tests.bench.bench_worlds N.

N worlds of each kind (half as many with two rounds), with other seeds than the suite's.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from dataclasses import replace

from tests.property.kinds_of_worlds import KINDS, options, wrong
from tests.property.worlds import probe


def main(drawn: int, seed: str, only: str) -> None:
    total = claims = wrongs = 0
    for make in KINDS:
        if only not in (make.__name__, ""):
            continue
        for rounds in (1, 2):
            rng = random.Random(f"{seed} {make.__name__} {rounds}")
            said: Counter[str] = Counter()
            bad: Counter[str] = Counter()
            for _ in range(drawn // rounds):
                asked = replace(options(rng), repeat=rounds)
                world = make(rng, asked.to_s)
                verdict = probe(asked, world)
                said[verdict.verdict] += 1
                claims += verdict.verdict != "inconsistent"
                what = wrong(verdict, world)
                if what is not None:
                    bad[what] += 1
                    if bad[what] == 1:
                        print(f"  {what}: {world} {asked} {verdict.explanation[0]}")
            total, wrongs = total + said.total(), wrongs + bad.total()
            print(f"{make.__name__:22} {rounds}  {dict(said)}  wrong: {dict(bad)}", flush=True)
    print(f"{total} worlds, {claims} claims, {wrongs} wrong")


if __name__ == "__main__":
    given = sys.argv[1:]
    main(
        int(given[0]) if given else 100,
        given[1] if len(given) > 1 else "bench",
        given[2] if len(given) > 2 else "",
    )
