"""Embeds, compares and clusters images in pipelines of Apache Beam."""
