"""For authors of backends and sinks, and for ourselves: conformance suites, and fixtures that start real servers.

    from pipelog.testing.backends import BackendSuite

    class TestMyBackend(BackendSuite):
        def make_backend(self): ...

Needs pytest, which only the modules below import.
"""
