"""What every engine raises."""

from cvm.errors import CvmError


class QueryError(CvmError):
    """The engine refused a query; callers turn it into a message for the user."""
