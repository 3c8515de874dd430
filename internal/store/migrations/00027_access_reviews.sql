-- +goose Up
create table access_reviews (
    id         text primary key,
    seq        bigint generated always as identity unique,
    owner      text not null, -- of the templates
    opened_at  timestamptz not null default now(),
    due_at     timestamptz not null,
    closed_at  timestamptz
);
create index access_reviews_owner on access_reviews (owner, seq);

-- What there was when a review opened. It stays as it was: leases go with their tasks.
create table access_review_items (
    review      text not null references access_reviews (id) on delete cascade,
    lease       text not null,
    seq         bigint not null, -- of the lease
    task        uuid not null,
    step        text not null,
    action      text not null,
    template    text not null,
    requester   text not null,
    grantee     text not null, -- whom it was granted to, if not the requester
    expires_at  timestamptz not null,
    verdict     text not null default '' check (verdict in ('', 'confirm', 'revoke')),
    decided_by  text not null default '',
    comment     text not null default '',
    decided_at  timestamptz,
    primary key (review, lease)
);

create table access_review_statements (
    nonce   text primary key,
    review  text not null references access_reviews (id) on delete cascade,
    turn    integer not null -- which decision of the review it was
);

-- +goose Down
drop table access_review_statements;
drop table access_review_items;
drop table access_reviews;
