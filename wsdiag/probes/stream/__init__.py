"""`wsdiag stream`: what an endpoint pushes, and when it does not.

analysis       `StreamAnalysis`, messages, Pings and moments in, records out: start here
arrivals       rates, sizes and times between messages; what is a silence, what a burst
silence        one silence: when it is told, with which cause; `silences`: those of a run
sequence       sequence numbers of one key: what is missing, repeated, out of order
keys           figures and sequence numbers by key; `key_guess`: the key that was not asked for
lag            a message's own time: its unit, and how old the message is
content        what JSONPaths find in a message: key, number, time
heartbeats     messages that are no data, or perhaps none
pings          the Pings beside the messages: is the connection alive while nothing comes?
receive_queue  whether our own reading was the limit
events, words  what happened as a record, what it means in sentences
options        what can be asked for
watcher        one connection: messages and Pings to the analysis; the only part with I/O
outages        the times between two connections
beat           intervals, and progress for a live view
run            one URL from the first dial to the summary, over as many connections as it takes
outcome        the exit code

Everything down to `options` is pure and takes times in seconds of any one monotonic clock: an
exporter, or a reader of captures, may feed a `StreamAnalysis` of its own:

    analysis = StreamAnalysis(url, StreamOptions(seq=JsonPath.parse("$.seq")))
    analysis.opened(now_s)
    analysis.message(text, at_s, wall_s)      # for each message, in order
    analysis.tick(now_s, utc)                 # now and then: silences are found here
    analysis.take_events()                    # StreamEvents since the last call
    analysis.interval(now_s, utc)             # a StreamInterval since the last call
    analysis.summary(now_s)                   # a StreamSummary
"""
