-- +goose Up

-- JSON columns are of type json, not jsonb: digests are taken over the text as it was written.

create table templates (
    digest     text primary key,
    ref        text not null,
    source     text not null,
    loaded_at  timestamptz not null default now()
);
create index templates_ref on templates (ref, loaded_at desc);

create table tasks (
    id                 uuid primary key,
    template_ref       text not null,
    template_digest    text not null,
    spec               json not null,
    run                json not null,
    digest             text not null,
    status             text not null default 'open'
                       check (status in ('open', 'processing', 'completed', 'failed', 'cancelled')),
    created_by         text not null,
    owner              text not null default '',
    output             json,
    error              json,
    created_at         timestamptz not null default now(),
    last_heartbeat_at  timestamptz,
    started_at         timestamptz,
    ended_at           timestamptz
);
create index tasks_created_at on tasks (created_at);
create index tasks_created_by on tasks (created_by, created_at);
create index tasks_unstarted on tasks (created_at) where started_at is null and ended_at is null;

create table task_events (
    id          bigint generated always as identity primary key,
    task        uuid not null references tasks (id) on delete cascade,
    key         text not null,
    type        text not null check (type in ('log', 'completion', 'cancelled', 'recovered')),
    body        json not null,
    created_at  timestamptz not null,
    unique (task, key)
);
create index task_events_in_order on task_events (task, id);

create table approvals (
    id            text primary key,
    seq           bigint generated always as identity unique,
    task          uuid not null references tasks (id) on delete cascade,
    step          text not null,
    title         text not null,
    reason        text not null,
    digest        text not null,
    requester     text not null,
    template_ref  text not null,
    approvers     text[] not null,
    required      integer not null check (required > 0),
    state         text not null default 'pending',
    why           text not null default '',
    created_at    timestamptz not null default now(),
    expires_at    timestamptz,
    closed_at     timestamptz
);
create index approvals_task on approvals (task);
create index approvals_approvers on approvals using gin (approvers);

create table approval_decisions (
    nonce       text primary key,
    gate        text not null references approvals (id) on delete cascade,
    decided_by  text not null,
    decided_as  text not null,
    verdict     text not null check (verdict in ('approve', 'reject')),
    comment     text not null,
    decided_at  timestamptz not null
);
create index approval_decisions_gate on approval_decisions (gate, decided_at);

create table leases (
    id         text primary key,
    seq        bigint generated always as identity unique,
    task       uuid not null references tasks (id) on delete cascade,
    step       text not null,
    action     text not null,
    requester  text not null,
    template   text not null,
    output     json,
    state      text not null default 'active',
    opened_at  timestamptz not null default now(),
    expires_at timestamptz not null,
    ended_at   timestamptz
);
create index leases_requester on leases (requester);

create table checkpoints (
    key         text not null,
    name        text not null,
    value       json not null,
    created_at  timestamptz not null default now(),
    primary key (key, name)
);

create table audit_leaves (
    seq    bigint primary key,
    key    text not null unique,
    task   uuid,
    body   bytea not null,
    hash   bytea not null,
    chain  bytea not null
);
create index audit_leaves_task on audit_leaves (task, seq);

create table idempotency_keys (
    created_by  text not null,
    key         text not null,
    request     text not null,
    task        uuid not null references tasks (id) on delete cascade,
    created_at  timestamptz not null default now(),
    primary key (created_by, key)
);

create table key_collections (
    task          uuid not null references tasks (id) on delete cascade,
    step          text not null,
    collected_by  text not null,
    collected_at  timestamptz not null default now(),
    primary key (task, step)
);

-- +goose Down

drop table key_collections;
drop table idempotency_keys;
drop table audit_leaves;
drop table checkpoints;
drop table leases;
drop table approval_decisions;
drop table approvals;
drop table task_events;
drop table tasks;
drop table templates;
