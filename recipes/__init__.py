"""Recipes: every folder is one, stands alone, and is copied to begin another."""

from common.launch import quiet  # noqa: F401 (before a recipe imports Keras)
