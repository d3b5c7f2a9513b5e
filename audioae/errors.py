"""Exceptions with messages that users can act on.

Errors that a user can cause (a broken file, a recipe with a typo, a full disk) are subclasses of :class:`AudioaeError`. The
command line prints the message and exits with code 1. An ``assert`` in this package
always means a bug in the package.
"""


class AudioaeError(Exception):
    """Base of every error that the package raises on purpose."""


class InputError(AudioaeError, ValueError):
    """Unusable audio: unreadable, empty, or with an unsupported layout or sample rate."""


class OutputError(AudioaeError):
    """A result that cannot be written: no permission, a full disk, or a file that exists already."""


class AppearedError(OutputError):
    """A file with the name of a result was created while the result was computed; that file is kept."""


class RecipeError(AudioaeError):
    """An invalid recipe or override; the message lists every mistake with its line and column."""


class ModelFileError(AudioaeError):
    """A file that is not a model of this package, or a model that does not fit its settings or its use."""


BundleError = ModelFileError
"""Name of :class:`ModelFileError` in earlier versions."""


class DataError(AudioaeError):
    """Unusable data for training or evaluation: nothing found, or too many unreadable files."""


class MissingExtraError(AudioaeError, ImportError):
    """An optional dependency is not installed; the message names the extra that installs it."""


class UnexpectedError(AudioaeError):
    """A bug in the package that stopped the work on one recording; work on the others continues.

    Attributes:
        trace: the traceback.
    """

    def __init__(self, message: str, trace: str = "") -> None:
        super().__init__(message)
        self.trace = trace


class AudioaeWarning(UserWarning):
    """Input was handled in a way that users should know about, such as non-finite samples."""
