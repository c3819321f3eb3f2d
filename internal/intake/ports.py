"""What uploads, look-ups and deletes need."""

from msgspec import Struct

from internal.intake.policy import UploadPolicy
from internal.pipeline.language.grammar import Grammar
from internal.ports.object_store import ObjectStore
from internal.ports.repository.repository import Repository


class Ports(Struct, frozen=True):
    """The keeping side: what uploads, look-ups and deletes need."""

    repository: Repository
    store: ObjectStore
    grammar: Grammar
    rules: UploadPolicy
