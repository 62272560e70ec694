"""Skills: what an author writes, the rules it must keep, and what keeps its versions."""
