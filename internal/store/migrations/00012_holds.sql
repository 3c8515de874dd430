-- +goose Up
create table holds (
    resource text not null, -- what several grants can need at once, e.g. a membership
    key      text not null, -- idempotency key of the call that needs it
    ours     boolean not null, -- it was not there before the first of us needed it
    primary key (resource, key)
);

-- +goose Down
drop table holds;
