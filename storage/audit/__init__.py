"""Answers to nonced audits: a digest that only somebody who reads the object now can give."""
