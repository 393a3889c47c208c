"""Shell completions, generated from the command line itself: static scripts, no Python at TAB."""
