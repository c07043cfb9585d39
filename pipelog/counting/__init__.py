"""From records to a tally: what is a view, of which page, by whom, from where."""
