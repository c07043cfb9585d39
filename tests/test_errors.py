"""Errors cross process borders whole: executors send them back pickled."""

import pickle

import pytest

from pipelog import errors
from pipelog.parsing.logformat import LogFormat


@pytest.mark.parametrize("kind", [k for k in vars(errors).values() if isinstance(k, type)])
def test_every_error_is_one_of_ours(kind: type) -> None:
    assert issubclass(kind, errors.PipelogError)


def test_a_format_error_survives_pickling() -> None:
    with pytest.raises(errors.FormatError) as caught:
        LogFormat("%h %Q")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.position) == (str(caught.value), 3)


def test_a_line_error_survives_pickling() -> None:
    with pytest.raises(errors.LineError) as caught:
        LogFormat("combined").parse(b"no line")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.line) == (str(caught.value), b"no line")
