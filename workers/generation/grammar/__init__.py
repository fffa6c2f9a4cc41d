"""What a row may write: grammars compiled by llguidance, a thought's budget, and the masks that bind a draw."""
