"""What MEND, KE and InstructEdit share: a network that was trained on other edits computes each edit."""
