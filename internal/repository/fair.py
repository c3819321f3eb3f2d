"""Fair queueing: the tags in whose order tasks are claimed (start-time fair queueing, Goyal, Vin and Cheng 1996).

    start tag  = max(virtual time, the finish tag of the owner's last task that waits or is in work)
    finish tag = start tag + cost / the owner's weight

The virtual time of a lane is the lowest start tag that waits. If nothing waits it is the database's clock, in nanoseconds: while
tasks wait their tags rise far more slowly than the clock, so it only rises. No row is updated for it and nothing is locked.
Uploads of one owner that are stored at the same moment do not see each other and get equal tags: the owner gains one place for
each of them, at most.
"""

import time
from typing import LiteralString

from internal.domain.rendition import Lane

VIRTUAL_TIME: LiteralString = """
    -- Of `task.lane`. What was tried before, or is due later, may have a tag of long ago.
    coalesce((SELECT waiting.start_tag FROM renditions waiting
               WHERE waiting.lane = task.lane AND waiting.status = 'uploaded'
                 AND waiting.start_tag >= (%(passed)s::jsonb ->> task.lane)::bigint
                 AND waiting.attempt = 0 AND waiting.due_at <= now()
               ORDER BY waiting.start_tag LIMIT 1),
             (extract(epoch FROM clock_timestamp()) * 1000000000)::bigint)
"""

TAGS: LiteralString = (
    """
    -- Continues a WITH that has `task (lane, owner, renditions, pixels)`. A small picture's rendition costs 1000, one of 4
    -- megapixels twice as much. Weights outside 0.01 to 100 count as these, so that no tag overtakes the clock.
    tags AS (
        SELECT task.lane, task.owner, virtual.time AS virtual_time, started.tag AS start_tag,
               started.tag + ceil(1000 * task.renditions * (1 + task.pixels / 4e6)
                                  / least(greatest(coalesce((SELECT weight FROM owners WHERE owners.owner = task.owner), 1),
                                                   0.01), 100))::bigint AS finish_tag
          FROM task
         CROSS JOIN LATERAL (SELECT
"""
    + VIRTUAL_TIME
    + """
                             AS time) AS virtual
         CROSS JOIN LATERAL (SELECT greatest(virtual.time, (
                                 SELECT last.finish_tag FROM renditions last
                                  WHERE last.tag_owner = task.owner AND last.lane = task.lane
                                    AND last.status IN ('uploaded', 'processing') AND last.finish_tag > virtual.time
                                  ORDER BY last.finish_tag DESC LIMIT 1)) AS tag) AS started
    )
"""
)

TAG_TASK: LiteralString = (
    """
    -- For what is asked for, retried or regenerated later, and for an attempt that is postponed.
    WITH task AS (
        SELECT r.lane, i.owner, count(*) AS renditions, coalesce(i.width::bigint * i.height, 0) AS pixels
          FROM images i JOIN renditions r ON r.image_id = i.id
         WHERE i.id = %(image_id)s AND r.lane = %(lane)s AND r.status = 'uploaded' AND r.start_tag IS NULL
         GROUP BY r.lane, i.id
    ),
"""
    + TAGS
    + """
    UPDATE renditions r
       SET start_tag = tags.start_tag, finish_tag = tags.finish_tag, tag_owner = tags.owner, request_id = %(request_id)s
      FROM tags
     WHERE r.image_id = %(image_id)s AND r.lane = tags.lane AND r.status = 'uploaded' AND r.start_tag IS NULL
"""
)


class TagFloor:
    """Where the scan of a lane's tags begins: behind what was claimed long enough ago. Claimed rows leave dead index entries.

    A tag below it is an exception: of a task that was deferred, or postponed for long. Its own message claims it, or else the
    next scan from the beginning, which follows within WHOLE_SECONDS.
    """

    DELAY_SECONDS = 5.0
    WHOLE_SECONDS = 30.0

    def __init__(self) -> None:
        self._floor = self._next = 0
        self._turns_at = self._whole_at = 0.0

    def value(self) -> int:
        """The lowest tag that the next scan looks at; 0: a scan from the beginning."""
        now = time.monotonic()
        if now >= self._whole_at:
            self._whole_at = now + self.WHOLE_SECONDS
            return 0
        return self._floor

    def passed(self, tag: int) -> None:
        """Record that `tag` was the lowest one."""
        now = time.monotonic()
        if now >= self._turns_at:
            self._floor, self._next, self._turns_at = min(self._next, tag), tag, now + self.DELAY_SECONDS
        elif tag < self._floor:
            self._floor = tag


class TagFloors:
    """The floors of one process: of its claims, and of the virtual times that it has read."""

    def __init__(self) -> None:
        self.claimed = {lane: TagFloor() for lane in Lane}
        self.virtual_time = {lane: TagFloor() for lane in Lane}

    def read(self) -> dict[str, int]:
        """For VIRTUAL_TIME: a floor for each lane."""
        return {lane.value: floor.value() for lane, floor in self.virtual_time.items()}
