"""Tries random bad input on everything that reads input from outside.

    python -m tests.fuzz --minutes=10 --seed=3

Each module beside those of the search itself is a target. It defines inputs,
and asserts for each that the answer is right or an error of one sentence.
Nothing else is accepted: no other exception, no crash, no hang, and no memory
or time beyond the limits of `batches`.
"""
