"""Coverage-guided fuzzing: `python tests/fuzz/fuzz.py TARGET [libFuzzer options] [CORPUS]`.

Needs atheris (`pip install atheris`). A finding is written as `crash-…`; put it into the target's
corpus, where the ordinary tests run it from then on.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORPUS = Path(__file__).resolve().parent / "corpus"


def main(argv: list[str]) -> int:
    """Fuzz one target until libFuzzer's options say stop; 2 for wrong usage or no atheris."""
    sys.path.insert(0, str(ROOT))
    try:
        import atheris  # type: ignore[import-untyped]
    except ImportError:
        print("fuzzing needs atheris, which is not installed: pip install atheris", file=sys.stderr)
        return 2
    with atheris.instrument_imports(
        include=["wsdiag.protocol", "wsdiag.transport.http2", "h2", "hpack", "hyperframe"]
    ):
        from tests.fuzz.targets import TARGETS
    if len(argv) < 2 or argv[1] not in TARGETS:
        print(f"usage: {argv[0]} {'|'.join(TARGETS)} [libFuzzer options]", file=sys.stderr)
        return 2
    atheris.Setup([argv[0], *argv[2:], str(CORPUS / argv[1])], TARGETS[argv[1]])
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
