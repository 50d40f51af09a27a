"""A laboratory for the real switch: Asterisk instances, SIPp phones and SIPp callers.

Used by the demo, the tests and the benchmark; no part of the product imports it.
"""
