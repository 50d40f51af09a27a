"""The interface to any telephone switch, and the simulated one."""
