"""Clustering by adopting nearest neighbours (SCAN) on a trained encoder.

An encoder that was trained without labels puts images of one kind side by
side. Here each image's neighbours are looked up once, and a classifier learns
to give an image and its neighbours the same cluster, and all clusters as many
images. Then it learns from the answers that it is sure of:
https://arxiv.org/abs/2005.12320
"""
