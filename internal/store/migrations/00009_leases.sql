-- +goose Up
alter table leases
    add column lease            json, -- as in the plan; null for grants of older releases
    add column revoke_asked_at  timestamptz,
    add column revoke_sent_at   timestamptz, -- to the engine
    add column revoke_why       text not null default '';
create index leases_to_revoke on leases (revoke_asked_at) where revoke_asked_at is not null and revoke_sent_at is null;

create table notices (
    key         text primary key,
    seq         bigint generated always as identity unique,
    kind        text not null,
    recipients  text[] not null,
    task        uuid references tasks (id) on delete cascade,
    title       text not null,
    body        text not null,
    link        text not null,
    due         timestamptz,
    created_at  timestamptz not null default now()
);

-- +goose Down
drop table notices;
drop index leases_to_revoke;
alter table leases
    drop column lease,
    drop column revoke_asked_at,
    drop column revoke_sent_at,
    drop column revoke_why;
