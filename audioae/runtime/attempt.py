"""One recording's failure is that recording's alone, whatever it is."""

import traceback
from collections.abc import Callable
from typing import TypeVar

from audioae.errors import AudioaeError, InputError, UnexpectedError
from audioae.runtime.jobs import STANDARD, Job

Made = TypeVar("Made")


def attempt(work: Callable[[], Made], job: Job) -> Made | AudioaeError:
    """The result of work on a recording, or its error, with a message that names the recording.

    Errors are values here: they go from process to process as they are.

    Args:
        work: what is to be done.
        job: what it is done for.

    Raises:
        BrokenPipeError: nobody reads standard output, where the result was to go.
    """
    try:
        return work()
    except AudioaeError as error:
        return error
    except MemoryError:
        return InputError(f"{job.source}: there is not memory enough for it")
    except Exception as error:
        if isinstance(error, BrokenPipeError) and job.target == STANDARD:
            raise
        return fault(error, str(job.source))


def fault(error: Exception, name: str) -> UnexpectedError:
    """An error that no one foresaw, as one that says so in a line."""
    reason = " ".join(str(error).split())
    what = f"{type(error).__name__}: {reason}" if reason else type(error).__name__
    trace = "".join(traceback.format_exception(error))
    return UnexpectedError(f"{name}: an error in audioae itself ({what}): please report it with what -v says", trace)
