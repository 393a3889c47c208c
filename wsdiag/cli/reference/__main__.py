"""`python -m wsdiag.cli.reference` rewrites help pages, manual and completions in the checkout."""

from wsdiag.cli.app import app
from wsdiag.cli.reference.files import ROOT, generate
from wsdiag.cli.reference.model import describe


def main() -> None:
    """Write every file that `generate` names."""
    for path, text in generate(describe(app)).items():
        (ROOT / path).parent.mkdir(exist_ok=True)
        (ROOT / path).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
