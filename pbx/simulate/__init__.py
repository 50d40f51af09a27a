"""A plan in virtual time against made-up callers: what would it do with a day of theirs?"""
