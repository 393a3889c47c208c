"""`check`: judge an endpoint by limits, expectations and the rules of the RFCs.

Start with `runner`: its docstring says which rule runs when, on which connection, and why. Then
read one rule in `rules/`. To add a rule, write one decorated function there: nothing else lists it.

* `options`   what an endpoint must be: limits, expectations, which rules
* `rule`      `Rule`: what a rule declares about itself
* `findings`  `Finding`: what judging it yields, also where the conversation broke off
* `target`    the endpoint under judgement: its first connection, and how rules open more
* `rules/`    the rules, by group
* `registry`  all rules in the order of their results, and which a run asks for
* `runner`    the schedules, time bounds and progress of all endpoints
* `summary`   from results to counts and the exit code

Imports records, judgement (its diagnosis), statistics, transport, protocol, and from probes only
`common`. `cli/` turns flags and TOML into `options`, and draws results with `render/check`.
"""
