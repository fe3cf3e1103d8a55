"""Implements AND: neighbourhood discovery, equations 1 to 8 of the paper.

It holds the model around an encoder, the memory bank, the loss, the discovery
of neighbourhoods, their selection round by round, and the optimiser and
learning rate of the paper: https://arxiv.org/abs/1904.11567
"""
