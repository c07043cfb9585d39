"""From Apache's pipe to counts: supervisor, worker, journal, follower."""
