"""What `check` needs beside its command: options, the file of `-f` (and its lines), outputs."""
