"""Implements AND: neighbourhood discovery, equations 1 to 8 of the paper.

A model around an encoder, its memory bank, the loss, the discovery of
neighbourhoods, their selection round by round, and the optimiser and learning
rate that the paper trains with: https://arxiv.org/abs/1904.11567
"""
