"""One module for each thing that AWS does, that the project needs, and that MiniStack 1.5.33 does otherwise."""
