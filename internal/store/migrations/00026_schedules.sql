-- +goose Up
create table schedules (
    id             text primary key,
    seq            bigint generated always as identity unique,
    owner          text not null, -- in whose name its tasks are
    template_ref   text not null,
    template_owner text not null default '',
    template_tags  text[] not null default '{}',
    task_values    json not null,
    cron           text not null,
    timezone       text not null,
    overlap        text not null check (overlap in ('skip', 'buffer-one', 'allow-all')),
    created_at     timestamptz not null default now(),
    paused_at      timestamptz,
    deleted_at     timestamptz,             -- asked for; the row goes when the engine knows
    wanted         integer not null default 1, -- grows with each change
    taken          integer not null default 0, -- the change that the engine knows of
    problem        text not null default '', -- why it last ran nothing; '' = it did
    problem_at     timestamptz
);
create index schedules_owner on schedules (owner, seq);
create index schedules_untaken on schedules (seq) where taken < wanted;
alter table tasks add column schedule text not null default ''; -- that ran it; it may be gone by now
create index tasks_schedule on tasks (schedule, created_at) where schedule <> '';

-- +goose Down
alter table tasks drop column schedule;
drop table schedules;
