"""Benchmarks: paired runs on the same data, medians and ratios. Nothing here is a test."""
