"""The pages and the API: for browsers and for the CRM.

A process of its own (``pbx web``), so that no report and no password costs a call anything.  It
reads the log, follows the engine's live socket, and asks the engine's control socket for whatever
changes something: one writer, the engine.  Its own tables are users, sessions, tokens and the
audit log.
"""
