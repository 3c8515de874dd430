-- +goose Up
create index tasks_going on tasks (id) where ended_at is null; -- they are looked at in turn, to find those whose runs are gone

-- +goose Down
drop index tasks_going;
