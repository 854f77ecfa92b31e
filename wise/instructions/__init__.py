"""What an editor for many tasks is told before an edit: its task, and a sentence that describes it (InstructEdit)."""
