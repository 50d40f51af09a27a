"""Tells other programs what happens: webhooks out, voicemail by mail, one outbox for both."""
