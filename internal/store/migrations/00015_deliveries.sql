-- +goose Up
alter table notices
    add column addressed_at timestamptz, -- its deliveries are all there
    add column tries        int not null default 0,
    add column next_try     timestamptz not null default now();
update notices set addressed_at = now(); -- they are from before anything was sent
create index notices_to_address on notices (next_try, seq) where addressed_at is null;

create table deliveries (
    notice      text not null references notices (key) on delete cascade,
    channel     text not null,
    address     text not null,
    tries       int not null default 0,
    next_try    timestamptz not null default now(),
    in_doubt    boolean not null default false, -- a try has begun of which nobody knows how it ended
    sent_at     timestamptz,
    given_up_at timestamptz,
    problem     text not null default '',
    created_at  timestamptz not null default now(),
    primary key (notice, channel, address)
);
create index deliveries_to_send on deliveries (channel, next_try) where sent_at is null and given_up_at is null;
create index deliveries_given_up on deliveries (channel) where given_up_at is not null;

-- +goose Down
drop table deliveries;
drop index notices_to_address;
alter table notices
    drop column addressed_at,
    drop column tries,
    drop column next_try;
