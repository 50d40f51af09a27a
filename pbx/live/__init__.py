"""What goes on right now, for whoever looks: pages, walls, programs.

The engine's entries in, rows out (``board.py``); told through a unix socket (``server.py``), first
whole and then by what changed; followed from another process (``client.py``, ``picture.py``).
Nothing here is on a call's way: work is done after the event, as much as has changed.
"""
