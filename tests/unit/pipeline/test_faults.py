"""What a library raises while it computes becomes an error of ours."""

import pytest

from internal.errors import InvalidImage
from internal.pipeline.faults import errors_translated


def test_a_message_that_is_no_text_is_a_fault_of_the_picture() -> None:
    """libvips quotes a broken file's bytes, and pyvips 3.2.0 then raises UnicodeDecodeError in place of its own error."""
    with pytest.raises(InvalidImage), errors_translated():
        b"heifload: bad brand \xff\xfe".decode()
