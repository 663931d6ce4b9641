"""Class templates and what every recipe shares. Importing this package imports no framework."""
