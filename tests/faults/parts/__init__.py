"""The parts of the fault runs; importing one registers it."""
