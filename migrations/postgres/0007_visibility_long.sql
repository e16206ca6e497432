-- Runs that took more than ten minutes, in the order of lists. Others that started until some time have closed soon after it, and are
-- found by that. Ten minutes: so few runs close within them that all may be looked at, and a run that took longer does not feel that
-- its close is written to one index more. The texts are those of the queries.
CREATE INDEX visibility_long ON visibility (namespace_id, close_time, start_time, run_id)
    WHERE archetype = 0 AND close_time < 9223372036854775807 AND close_time > start_time + 600000000000;
