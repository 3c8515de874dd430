-- +goose Up
alter table notices add column approval text not null default '';  -- the approval that it is about
alter table deliveries add column person text not null default ''; -- the user whose address it is, alone

-- +goose Down
alter table deliveries drop column person;
alter table notices drop column approval;
