"""From a failed dial to a message and a hint.

    hints.toml    the entries: a failure's id, facts that must match, the words, an example
    hints         finds the first entry that fits and fills it in; `diagnose` is the entry point
    facts         everything that an entry may ask about, as strings by name
    page_text     what an HTML page says, as a person would read it

A new diagnosis is an entry in hints.toml; its example is a test. A new fact is a line in facts.py
and in the list at the top of hints.toml. May import `judgement.products`, `records`, `transport`.
"""
