"""`path` drawn: start with `output`, which chooses among the views.

output      which view; imported without rich
view        the live screen, lines, and the saved picture
table       the hops under each other, as mtr has them
csv         rows of data
"""
