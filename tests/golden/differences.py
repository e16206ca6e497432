"""Where Perdure's histories differ from Temporal's on purpose. README.md has the reasons."""

import re

# Attributes that are not compared, wherever they are.
IGNORED = {"task_id", "worker_version", "binary_checksum", "prev_auto_reset_points"}

# Attributes that are not compared in events of one type.
IGNORED_IN = {"WORKFLOW_EXECUTION_SIGNALED": {"request_id"}}

# Keys of a map that are not compared where the map has another key.
IGNORED_WITH = {"temporal-callback-token": {"source"}}

# Attributes that are not compared in one event of a scenario, by its id.
IGNORED_AT = {
    ("activity_ends_during_update_task", 7): {"identity"},
    ("pinned_hears_of_the_next_version", 1): {"declined_target_version_upgrade"},
    ("signal_during_update_task", 6): {"identity"},
    ("eager_start_again", 3): {"history_size_bytes"},
    ("eager_start_that_terminates", 3): {"history_size_bytes"},
    ("started_eagerly", 3): {"history_size_bytes"},
    ("update_of_terminated", 6): {"identity"},
    ("update_task_times_out", 6): {"identity"},
}

# Texts that stand for each other.
SAME = [
    (re.compile("request-from-RespondWorkflowTaskCompleted"), "<uuid>"),
    (re.compile(r'TaskQueue=name:"([^"]*)" kind:\w+'), r"TaskQueue=\1"),
]
