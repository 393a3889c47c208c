"""`connect` drawn: the answer, the phases as a `waterfall`, the facts (`view`)."""
