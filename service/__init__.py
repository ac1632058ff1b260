"""Answers: plan, retrieve, guard, generate, record; over HTTP and on the command line."""
