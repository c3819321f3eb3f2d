"""`python -m documents`: write the generated blocks of every document."""

from documents.blocks import write_all

write_all()
