"""What `check` needs beside its command: options, the file of `-f` (its tables, its lines), outputs."""
