"""The tests. A module is a theme; each function with @case is one test, and its first line says what it shows."""
