-- +goose Up
create table effects (
    key       text primary key, -- idempotency key of the call
    seq       bigint generated always as identity unique,
    task      uuid not null references tasks (id) on delete cascade,
    step      text not null,
    action    text not null,
    queue     text not null,
    call      json not null,    -- activities.Invocation
    output    json,             -- null until the call has answered
    began_at  timestamptz not null default now(),
    done_at   timestamptz,
    undone_at timestamptz,
    problem   text not null default '', -- why it could not be undone
    tried_at  timestamptz               -- when that was found out last
);
create index effects_of_task on effects (task, seq);
create index effects_left on effects (seq) where problem <> '' and undone_at is null;

-- +goose Down
drop table effects;
