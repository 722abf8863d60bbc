"""The product's own golden parts, kept beside its recipe: read, changed, and held against what judges them."""
