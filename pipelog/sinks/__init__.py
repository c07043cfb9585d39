"""Sinks: where finished days are kept. One file an implementation; the contract is `base`."""
