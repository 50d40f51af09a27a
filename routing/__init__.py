"""The distribution of calls to agents, as a pure state machine.

No module in this package does I/O, reads a clock, draws a random number of its own or
starts a task.  Events and the time come in, commands and facts go out.
"""
