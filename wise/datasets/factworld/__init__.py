"""FactWorld: a small invented world, the texts that teach it, and the edits that contradict them."""
