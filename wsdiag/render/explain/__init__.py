"""`explain` drawn: start with `output`, which chooses among the views.

output      which view; imported without rich
view        the overview, each connection, and the verdicts
timeline    one connection's frames and its end over the seconds, a row for each direction
csv         rows of data
replay      wsdiag's own records, drawn as the run that wrote them was
"""
