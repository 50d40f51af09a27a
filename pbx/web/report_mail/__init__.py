"""Reports that come by mail: at a time of the day, the week or the month, to those who want them.

The page's process makes and sends them (``post.py``), so that no report is ever in a call's way.
"""
