"""The verdict of `idle-probe`, from the records of its trials.

Start at judge.py: one function, which calls the others in this order.

    evidence         sorts the trials by what they say; ProbeContext has the circumstances
    classify         evidence -> which verdict, by which reasoning: the decision tree
    announced        its branch for drops that announced themselves
    classification   the result, and the reasons there are
    clocks           do drops agree: on idleness, on one direction's silence, on age or moment?
    keepalives       which keepalives held, and what interval to recommend
    candidates       products whose known behaviour fits
    headline         the answer in one sentence, and its likely cause
    evidence_text    the sentences behind it
    advice           what to set
    compare          several URLs side by side

Who may import whom is a contract in pyproject.toml; from outside, `records` and
`judgement.products`. A new kind of verdict is a Reason in classification, a branch in classify, a
sentence in headline, and a row in the tests' table.
"""
