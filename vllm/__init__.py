"""The Python package of the tree; importing it imports no torch and touches no GPU."""
