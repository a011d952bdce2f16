-- A rollout may wait for an earlier one of its service and environment. It is not over and owns nothing, so
-- that of those that own rings there is still one at most.
ALTER TABLE deliver_rollout ADD COLUMN queued BIGINT NOT NULL DEFAULT 0;
DROP INDEX deliver_rollout_running;
CREATE UNIQUE INDEX deliver_rollout_running ON deliver_rollout (service, environment)
  WHERE over = 0 AND queued = 0;
