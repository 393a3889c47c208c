"""TLS in recorded flows: what a listener sees without keys, and what a key log opens.

* `flow.py`     `TlsFlow`: records of both directions, alerts, application data; start here
* `hello.py`    the handshake messages that say what was negotiated
* `keys.py`     from a secret to the keys of a direction (extra `wsdiag[tls]`)
* `key_log.py`  the NSS key log format

Imports nothing of `capture` but the listener's shape.
"""
