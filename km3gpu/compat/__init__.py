"""Old import lines that keep working: thin facades with the names of other packages."""
