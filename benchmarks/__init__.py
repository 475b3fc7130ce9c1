"""What sigrec costs and what it keeps, beside its peers: ``python -m benchmarks``.

Each module answers one question a user would ask. The peers are measured in the same run,
interleaved with sigrec; figures are medians over the rounds.
"""
