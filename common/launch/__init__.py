"""What runs before a recipe: the table of recipes, the environment, containers."""
