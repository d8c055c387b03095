"""How fast the course is: training beside PyTorch's example and the machine's limit, and the instruments."""
