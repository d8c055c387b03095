"""The ten claims: their rules, the trainings and measures that they are judged by, and the ledger."""
