"""The journey: one list of steps that every deployment has to pass. A step gets a running deployment, and stands alone."""

from collections.abc import Callable

from tests.e2e import steps_forms, steps_methods, steps_refusals, steps_renditions
from tests.e2e import steps_use as use
from tests.e2e.deployment import Deployment

STEPS: list[Callable[[Deployment], None]] = [
    use.it_is_ready,
    use.an_upload_is_processed,
    use.prefer_wait_answers_when_it_is_processed,
    use.a_result_carries_no_exif_and_the_original_all_of_it,
    use.every_kind_of_picture_is_processed,
    use.named_renditions_are_chosen_by_name,
    use.images_are_listed_page_by_page,
    use.binaries_obey_ranges_and_conditions,
    use.large_uploads_pass_in_parts,
    use.an_idempotency_key_is_answered_once,
    use.renditions_are_added_and_retried,
    use.a_deleted_image_is_gone,
    use.a_delete_obeys_its_conditions,
    use.json_is_kept_by_no_cache,
    use.a_request_id_travels_to_the_worker,
    use.it_describes_itself,
    use.it_counts_what_it_does,
    *steps_methods.STEPS,
    *steps_renditions.STEPS,
    *steps_forms.STEPS,
    *steps_refusals.STEPS,
    use.nothing_in_work_is_left_over,
]


def step_name(step: Callable[[Deployment], None]) -> str:
    """For pytest's ids."""
    return step.__name__
