"""Turns any failure on one recording into an error of that recording, so that work on others continues."""

import traceback
from collections.abc import Callable
from typing import TypeVar

from audioae.errors import AudioaeError, InputError, UnexpectedError
from audioae.runtime.jobs import STANDARD, Job

Made = TypeVar("Made")


def attempt(work: Callable[[], Made], job: Job) -> Made | AudioaeError:
    """The result of ``work``, or its error with a message that names the recording.

    Errors are returned, so that they can be sent between processes.

    Args:
        work: the work on one recording.
        job: the recording.

    Raises:
        BrokenPipeError: the result goes to standard output, which nobody reads.
    """
    try:
        return work()
    except AudioaeError as error:
        return error
    except MemoryError:
        return InputError(f"{job.source}: not enough memory")
    except Exception as error:
        if isinstance(error, BrokenPipeError) and job.target == STANDARD:
            raise
        return fault(error, str(job.source))


def fault(error: Exception, name: str) -> UnexpectedError:
    """An unexpected error as an :class:`UnexpectedError` with a message of one line."""
    reason = " ".join(str(error).split())
    what = f"{type(error).__name__}: {reason}" if reason else type(error).__name__
    trace = "".join(traceback.format_exception(error))
    return UnexpectedError(f"{name}: an error in audioae itself ({what}): please report it with the output of -v", trace)
