"""How HTML and SVG are made: templates that escape what they are given, and elements of pictures that do."""
