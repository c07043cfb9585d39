"""A small Django site for tests of `pipelog.contrib.django`; also a process of its own, by its settings' name."""
