"""Copies on other nodes: messages, session, transport, reading, writing, mending."""
