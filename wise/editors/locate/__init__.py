"""What the editors share that locate a fact in one token's hidden state and write it into the matrix there."""
