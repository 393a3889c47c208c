"""wsdiag: ping, mtr and curl -v for WebSockets."""

__version__ = "0.1.0"
