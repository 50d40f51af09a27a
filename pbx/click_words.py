"""What a click comes to (``ClickResult``), in words: for the command line and the API."""

from __future__ import annotations

WORDS = {
    "ringing": "ringing: who picks up is joined with the client",
    "unknown_manager": "no manager of that key is in the plan",
    "offline": "the manager is not at work",
    "paused": "the manager is paused",
    "busy": "the manager talks, or is rung already",
    "unreachable": "none of the manager's devices can be rung",
    "no_number": "that is no number that one could call from here",
    "client_busy": "the client is on the line with us, or is being called",
    "not_allowed": "settings.outside does not let this number be called, or there is no trunk",
    "premium": "the number costs by the minute",
    "hours": "outside settings.outside_hours",
    "limit": "settings.outside_per_hour are used up",
    "manager_limit": "settings.outside_per_hour_each are used up",
    "not_ready": "the engine is stopping, or has no line to Asterisk",
}
