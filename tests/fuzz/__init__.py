"""Tries random bad input on everything that reads from outside.

    python -m tests.fuzz --minutes=10 --seed=3

Each module beside the search itself is a target: it says what its inputs may
be, and asserts of each that the answer is right or one sentence. Nothing else
is accepted: no other exception, no crash, no hang, and no memory or time
beyond the limits of `batches`.
"""
