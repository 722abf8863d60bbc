"""The process that judges: the look at one part, the back end, and the proof by golden parts."""
