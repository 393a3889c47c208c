"""A day of Pings in some minutes: does `wsdiag exporter` need more memory at its end?

    python -m tests.bench.exporter_day [PINGS]

Two targets are pinged as fast as they may be, 86,400 times each (a day at one a second); four more
are dropped every second or so, each in another way, and reconnect a thousand times; the file is
written again and again, and scrapes come in both formats. Memory is looked at after each tenth.

With fewer PINGS than a third of a day the second tenth is still warm-up: connections that ended
wait for the first full garbage collection, after some hundreds of reconnects, and a minute of
arrivals is kept for each connection.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from tests.bench.bench_exporter import figure, running, scrape, write_config
from tests.bench.programs import WEBSOCKETS, WSDIAG, rss_kib, serving

DAY = 86_400
SERVE = [*WSDIAG, "serve", "--port", "0", "-o", "json", "-q"]
DROPS = ("fin", "rst", "close", "close&code=4321")
TABLE = '[[endpoint]]\nname = "{}"\nurl = "{}"\ninterval = "{}"\n'


def main(pings: int) -> int:
    """Print a line a tenth; 1 where memory grew by more than 5 % since the second."""
    with (
        serving(WEBSOCKETS) as server,
        serving(SERVE) as dropping,
        tempfile.TemporaryDirectory() as folder,
    ):
        config = Path(folder, "wsdiag.toml")
        drops = [
            TABLE.format(f"d{number}", f"{dropping.url}/lifetime/0.2?drop={how}", "50ms")
            for number, how in enumerate(DROPS)
        ]
        write_config(config, server.url, 2, '[defaults]\ninterval = "1ms"\n' + "".join(drops))
        text = config.read_text()
        with running(config) as (pid, url):
            seen, tenth, began_s = [], 1, time.monotonic()
            while tenth <= 10:
                time.sleep(0.5)
                config.write_text(text + f"# {tenth}\n")
                scrape(url, "application/openmetrics-text")
                _, metrics = scrape(url)
                sent = least(metrics)
                if sent >= pings * tenth / 10:
                    seen.append(rss_kib(pid) / 1024)
                    dropped = figure(metrics, "wsdiag_drops_total")
                    said = f"{sent:9,.0f} Pings a target, {dropped:6,.0f} drops"
                    print(f"{said}, {time.monotonic() - began_s:5.0f} s: {seen[-1]:.1f} MiB")
                    sys.stdout.flush()
                    tenth += 1
    return int(max(seen[2:]) > 1.05 * seen[1])


def least(metrics: bytes) -> float:
    """How often the target was pinged that was pinged least, of those that are not dropped."""
    lines = [line for line in metrics.splitlines() if line.startswith(b"wsdiag_pings_sent_total")]
    return min(float(line.rpartition(b" ")[2]) for line in lines if b'name="t' in line)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else DAY))
