"""Scores of samples: metrics, feature extractors, the evaluator."""
