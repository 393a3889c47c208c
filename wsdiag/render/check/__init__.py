"""`check` drawn: for people (`view`), for CI servers (`junit`), for GitHub Actions (`github`).

All three get cleaned `CheckResult`s, grouped by endpoint, and a `CheckSummary`.
"""
