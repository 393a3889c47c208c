"""How `stream` shows itself: bars over time on a terminal, lines elsewhere, rows or records."""
