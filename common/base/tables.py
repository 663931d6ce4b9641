"""Tables of the user: CSV files in UTF-8 with named columns."""

import csv

from common.base.errors import InputError


def rows_of(path, columns):
    """Yields the lines of a table: the number of each, and a dictionary from columns to texts without outer blanks.

    Args:
        path: path.
        columns: tuple of two strings, those that are read; others may be there.

    Raises:
        InputError: if the file cannot be read, or has not these columns.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            if not set(columns) <= set(table.fieldnames or ()):
                raise InputError(f"{path} has the columns {table.fieldnames}; expected {' and '.join(columns)}.")
            for row in table:
                yield table.line_num, {name: (row[name] or "").strip() for name in columns}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as a table ({error}); expected a CSV in UTF-8.") from error
