"""The checker itself, on recorded outputs: no broker, seconds."""

from cases import checker_itself
from rig import part


@part("mutants", brokers=0)
def mutants(field):
    """Recorded outputs harmed in thirty ways are each convicted of the right promise, unharmed ones of none"""
    checker_itself.checker_convicts_mutants(field)
    assert len(checker_itself.MUTANTS) >= 20 and len({name for name, _ in checker_itself.MUTANTS.values()}) == 13
    field.count("mutants convicted", len(checker_itself.MUTANTS))
