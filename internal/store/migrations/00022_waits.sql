-- +goose Up
create table step_waits (
    task      uuid not null references tasks (id) on delete cascade,
    step      text not null,
    iteration text not null,
    attempt   integer not null,
    tries     integer not null,
    why       text not null,
    since     timestamptz not null default now(),
    next_at   timestamptz not null,
    primary key (task, step, iteration)
);

-- +goose Down
drop table step_waits;
