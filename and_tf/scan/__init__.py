"""Clusters images by adopting nearest neighbours (SCAN) [1].

An encoder that was trained without labels embeds similar images close to each
other. SCAN mines the neighbours of each image once. A classifier then learns
to assign an image and its neighbours to the same cluster, and to use all
clusters evenly. In a second step, self-labelling, it learns from its own
confident predictions.

[1] Van Gansbeke et al., SCAN: Learning to Classify Images without Labels,
    ECCV 2020. https://arxiv.org/abs/2005.12320
"""
