"""What runs models: operators, layers, warm-up."""
