"""What the end-to-end tests and the demo share: the places and programs
around an agent under test. Standard library only."""
