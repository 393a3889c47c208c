"""Headers of packets without I/O: link layer, IP, TCP and ICMP, by offset into the packet.

* `link.py`: where the IP header begins, for each link type that captures come in.
* `ip.py`: IPv4 and IPv6 with its extension headers, as far as TCP needs them.
* `tcp.py`: TCP's header and options.
* `icmp.py`: ICMP errors, and the packet that each quotes.
* `copies.py`: a packet like one that was seen, with another hop limit.
* `filters.py`: which packets a socket is to be shown (BPF).

Nothing is copied but addresses: a capture has millions of packets, and most of their bytes are
looked at once. What is cut short or malformed is None, never an exception: captures are written by
programs that were killed, with snap lengths of 96 bytes. Imports the standard library only.
"""
