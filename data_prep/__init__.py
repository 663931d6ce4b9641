"""Data sets, image folders, and the batches that `fit` reads. Importing this package imports no framework."""
