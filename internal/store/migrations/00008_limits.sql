-- +goose Up

-- What is left of an allowance of submissions: tokens at a time, filled up as time passes.
create table allowances (
    subject  text primary key,
    tokens   double precision not null,
    at       timestamptz not null
);

-- The requester's groups at the time of the request.
alter table tasks add column teams text[] not null default '{}';

create index tasks_going_by_creator on tasks (created_by) where ended_at is null;
create index tasks_going_by_template on tasks (template_ref) where ended_at is null;
create index tasks_going_by_team on tasks using gin (teams) where ended_at is null;

-- +goose Down

drop index tasks_going_by_creator;
drop index tasks_going_by_template;
drop index tasks_going_by_team;
alter table tasks drop column teams;
drop table allowances;
