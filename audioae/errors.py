"""Exceptions with a message that a person can act on.

Everything that a user can cause (a broken file, a recipe with a typo, a full disk) is raised as a subclass of
:class:`AudioaeError`; the command line prints its one line and leaves with exit code 1. An ``assert`` in this package
always means a bug in the package.
"""


class AudioaeError(Exception):
    """Base of every error that the package raises on purpose."""


class InputError(AudioaeError, ValueError):
    """Audio that cannot be used: unreadable, empty, of an impossible layout or rate."""


class OutputError(AudioaeError):
    """A result that cannot be written: no permission, disk full, the file is there already."""


class AppearedError(OutputError):
    """A file that appeared in the place of a result while that was made; it is kept."""


class RecipeError(AudioaeError):
    """A recipe or an override that does not validate; the message lists every problem with its place."""


class ModelFileError(AudioaeError):
    """A file that is not a model of this package, or a model that does not fit its settings or its use."""


BundleError = ModelFileError
"""Name of :class:`ModelFileError` in earlier versions."""


class DataError(AudioaeError):
    """Training or evaluation data that cannot be used: nothing found, too many unreadable files."""


class MissingExtraError(AudioaeError, ImportError):
    """An optional dependency that is not installed; the message names the extra that brings it."""


class UnexpectedError(AudioaeError):
    """A bug in the package that showed while it worked on one recording; the others go on.

    Attributes:
        trace: the traceback, for those who look for it.
    """

    def __init__(self, message: str, trace: str = "") -> None:
        super().__init__(message)
        self.trace = trace


class AudioaeWarning(UserWarning):
    """Something was handled that a person may want to know of: non-finite samples, clipped input."""
