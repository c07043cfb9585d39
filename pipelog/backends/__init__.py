"""Counter backends: today's numbers, live. One file an implementation; the contract is `base`."""
