"""All commands, and what each of them answers: known without importing any.

A new command is a line here, and a module of `commands/`.
"""

COMMANDS = {
    "connect": "Does it connect, what takes how long, and if it fails: where, why?",
    "ping": "How long are round trips over time: network, endpoint or queue?",
    "idle-probe": "Does anything drop idle connections: when, how, what prevents it?",
    "stream": "Is the data coming: rates, silences, gaps, lag; connected but mute?",
    "path": "Which machines are on the way, by the connection's own flow?",
    "explain": "What was recorded: what happened, who ended it, how sure is that?",
    "check": "Is this endpoint healthy? Pass or fail, for a pipeline.",
    "exporter": "Are all endpoints well, day and night? Metrics for Prometheus.",
    "serve": "Serve an endpoint that behaves, or misbehaves exactly as asked.",
    "demo": "Take the tour: under 30 s, a built-in endpoint, nothing to set up.",
    "completion": "Print a shell's completion script.",
    "help": "Describe every option of a command.",
}
