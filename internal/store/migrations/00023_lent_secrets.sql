-- +goose Up
create table lent_secrets (
    task    uuid not null, -- which may never come to be
    attempt integer not null,
    since   timestamptz not null default now(),
    primary key (task, attempt)
);
create index lent_secrets_since on lent_secrets (since);

-- +goose Down
drop table lent_secrets;
