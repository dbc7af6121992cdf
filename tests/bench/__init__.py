"""The measurements behind `make bench`. Standard library only."""
