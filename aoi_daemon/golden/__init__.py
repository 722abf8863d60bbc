"""The product's own golden parts, kept beside its recipe: read, changed, and checked against what judges them."""
