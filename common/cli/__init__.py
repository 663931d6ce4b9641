"""The command line of a recipe, one module per action."""
