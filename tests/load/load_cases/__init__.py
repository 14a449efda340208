"""The cases: one module for each matter."""
