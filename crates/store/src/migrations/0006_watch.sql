-- A rollout that is done stays watched for a while: it is over and still looked after.
ALTER TABLE deliver_rollout ADD COLUMN watched BIGINT NOT NULL DEFAULT 0;
CREATE INDEX deliver_rollout_watched ON deliver_rollout (change) WHERE watched = 1;
