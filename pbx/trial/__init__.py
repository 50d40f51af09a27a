"""One call, or many as tests, through a plan in virtual time, on the core that runs production."""
