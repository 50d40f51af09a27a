"""Who may come in: users, their sessions, tokens of programs, and the log of what they did.

The tables are the page's own (users, sessions, tokens, audit) in the log's database.  No secret is
kept: passwords as argon2 hashes, a session's and a token's secret as its SHA-256.
"""
