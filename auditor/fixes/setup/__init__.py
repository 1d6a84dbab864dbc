"""Other set-ups that come near to the wanted result."""
