"""What `check` needs beside its command: options, the file of `-f` (tables, lines), outputs."""
