-- +goose Up
alter table approval_decisions add column void boolean not null default false; -- about something else than is shown by now

-- +goose Down
alter table approval_decisions drop column void;
