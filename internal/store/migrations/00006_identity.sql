-- +goose Up

-- What a policy can pick tasks by, beside their template and its owner.
alter table tasks add column tags text[] not null default '{}';
update tasks set tags = array(select json_array_elements_text(spec #> '{templateInfo,entity,metadata,tags}'))
    where json_typeof(spec #> '{templateInfo,entity,metadata,tags}') = 'array';
create index tasks_owner on tasks (owner, created_at);

-- +goose Down

drop index tasks_owner;
alter table tasks drop column tags;
