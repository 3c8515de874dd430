-- +goose Up
create table access_standings (
    key           text primary key references effects (key) on delete cascade,
    checked_at    timestamptz,              -- when it was seen last
    drift         text not null default '', -- gone, changed or overdue; '' = as it was granted
    says          text not null default '',
    drifted_at    timestamptz,              -- when that was seen first
    problem       text not null default '', -- why it can't be seen
    failing_since timestamptz
);
create index access_standings_drifted on access_standings (drifted_at) where drift <> '';

create table access_strangers (
    resource text primary key, -- e.g. a membership, as it is called in holds
    circle   text not null,    -- e.g. a group
    task     uuid references tasks (id) on delete cascade, -- whose grant led there
    says     text not null,
    seen_at  timestamptz not null, -- first
    gone_at  timestamptz
);
create index access_strangers_circle on access_strangers (circle) where gone_at is null;

-- +goose Down
drop table access_strangers;
drop table access_standings;
