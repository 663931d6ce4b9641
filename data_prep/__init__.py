"""Data sets, folders of pictures, and the batches that `fit` reads. Importing this package imports no framework."""
