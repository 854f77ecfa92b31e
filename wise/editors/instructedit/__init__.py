"""InstructEdit (arXiv 2402.16123): MEND's network, trained on several tasks, with an instruction before each edit."""
