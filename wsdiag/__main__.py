"""`python -m wsdiag` is `wsdiag`."""

from wsdiag.cli.main import run

if __name__ == "__main__":
    run()
