-- +goose Up
alter table tasks add column paused_at timestamptz;

-- +goose Down
alter table tasks drop column paused_at;
