"""`idle-probe` drawn: start with `output`, which chooses among the views.

output      which view; imported without rich
view        the live screen, lines, the saved picture, and the history that they draw
rows        one row per connection, folded where the screen has too few
timeline    rows as bars over the seconds
verdict     the answer first, then evidence, candidates, and what to set
csv         rows of data
"""
