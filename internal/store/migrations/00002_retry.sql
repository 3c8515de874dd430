-- +goose Up

alter table tasks
    add column attempt    integer not null default 0,
    add column shown_from bigint  not null default 0; -- events with a smaller id are hidden

-- +goose Down

alter table tasks
    drop column attempt,
    drop column shown_from;
