-- +goose Up
alter table tasks
    add column parent      uuid references tasks (id) on delete set null, -- whose step it is done for
    add column parent_step text not null default '';                      -- with the iteration of a loop: step/iteration
create index tasks_parent on tasks (parent, created_at) where parent is not null;

-- +goose Down
alter table tasks
    drop column parent,
    drop column parent_step;
