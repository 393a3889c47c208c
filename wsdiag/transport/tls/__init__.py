"""TLS without a socket, and what certificates say.

    layer     one TLS connection over memory: records in, plaintext out
    trust     client contexts from options; what a handshake, or its failure, tells
    chain     the chain as the peer presented it, and where it breaks
    x509      a certificate's names and dates, read without verifying anything
    certs     a test certificate for `serve --tls`, made by cryptography or openssl
    values    options and facts as plain values, for those who do not speak TLS

Start with `layer.py`. Imports nothing from the rest of the project.
"""
